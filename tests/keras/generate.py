"""Reference files computed by Keras, for the tests in this folder.

    pip install keras==3.15.1 jax==0.10.2 numpy
    python generate.py [directory] [float32]

Writes one JSON file per case into `directory` (this script's own by default). All is computed in float64; with
`float32` as the second argument in float32, to see what that costs: up to 1e-6, with Adam up to 8e-6.

Inputs, targets, weights and sample weights are multiples of 1/256, so that float32 holds them exactly. Weights are
named `kind_number.part`, numbered from 1 by kind in the order in which the layers are made; a layer with a name of its
own goes by that name and takes no number. Matrices are row-major, those of dense layers [inputs, units].
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax

jax.config.update("jax_enable_x64", True)
import keras
import numpy as np
from keras import layers, metrics, optimizers, regularizers
from keras.src.backend.common import dtypes

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
FLOATX = sys.argv[2] if len(sys.argv) > 2 else "float64"
keras.config.set_floatx(FLOATX)
if FLOATX == "float64":
    # Keras takes float64 for float32 in means, variances and tanh, whatever floatx is, unless it is told not to.
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

PARTS = {"kernel": "weight"}


def numbers(*shape, low=-1.0, high=1.0):
    """Random multiples of 1/256, of the generator that the loop at the end seeds anew for each function."""
    return np.round(rng.uniform(low, high, shape) * 256) / 256


def weights(named_layers):
    """All the weights of the layers, by our names."""
    return {
        f"{name}.{PARTS.get(weight.name, weight.name)}": {
            "shape": list(weight.shape),
            "values": np.asarray(weight.value, "float64").ravel().tolist(),
        }
        for name, layer in named_layers.items()
        for weight in layer.weights
        if weight.name != "count"
    }


def named(*all_layers):
    """The layers that have weights, by their names: `dense_1`, `dense_2`, `batch_normalization_1`, ..."""
    counts, result = {}, {}
    for layer in all_layers:
        kind = keras.src.utils.naming.to_snake_case(type(layer).__name__)
        if layer.weights and not layer.name.startswith(kind):
            result[layer.name] = layer
        elif layer.weights:
            counts[kind] = counts.get(kind, 0) + 1
            result[f"{kind}_{counts[kind]}"] = layer
    return result


def randomize(named_layers):
    """Gives every weight a value that Keras' initializers did not choose."""
    for layer in named_layers.values():
        for weight in layer.weights:
            if weight.name in ("kernel", "bias", "beta", "moving_mean"):
                weight.assign(numbers(*weight.shape))
            elif weight.name in ("gamma", "moving_variance"):
                weight.assign(numbers(*weight.shape, low=0.5, high=1.5))


def plain(value):
    """Arrays as lists, floats as floats, in dictionaries too."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return np.asarray(value).tolist()


def write(file, content):
    with open(os.path.join(OUT, file + ".json"), "w") as out:
        json.dump({**content, "keras": keras.__version__}, out, indent=1)
        out.write("\n")


def case(
    file,
    description,
    model,
    model_layers,
    x,
    y,
    optimizer,
    loss,
    batch_size,
    epochs,
    sample_weight=None,
    loss_weights=None,
    metrics=None,
    weighted_metrics=None,
    optimizer_arguments=None,
    extra=None,
):
    """Trains, evaluates and predicts, and writes all that goes in and comes out.

    `optimizer` is its class, `optimizer_arguments` are written into the file. evaluate gets the sample weights and the
    batch size of fit. `evaluate_initial` is an evaluation before the training. `updates` counts the optimizer's steps.
    """
    initial = weights(model_layers)
    model.compile(
        optimizer(**optimizer_arguments),
        loss,
        loss_weights=loss_weights,
        metrics=metrics,
        weighted_metrics=weighted_metrics,
    )
    data = dict(x=x, y=y, sample_weight=sample_weight, batch_size=batch_size, verbose=0)
    evaluate_initial = model.evaluate(**data, return_dict=True)
    history = model.fit(**data, epochs=epochs, shuffle=False).history
    evaluate = model.evaluate(**data, return_dict=True)
    predict = model.predict(x, batch_size=batch_size, verbose=0)

    arguments = dict(optimizer_arguments)
    if isinstance(arguments["learning_rate"], optimizers.schedules.LearningRateSchedule):
        rate = arguments["learning_rate"]
        arguments["learning_rate"] = {"schedule": type(rate).__name__, **rate.get_config()}
    by_name = lambda value, name: plain(value if isinstance(value, dict) else {name: value})
    write(
        file,
        {
            "description": " ".join(description.split()),
            "x": by_name(x, "input"),
            "y": by_name(y, "output"),
            "sample_weight": None if sample_weight is None else plain(sample_weight),
            **(extra or {}),
            "initial": initial,
            "fit": {
                "batch_size": batch_size,
                "epochs": epochs,
                "shuffle": False,
                "loss": loss,
                "loss_weights": loss_weights,
                "optimizer": {"name": optimizer.__name__, **arguments},
            },
            "evaluate_initial": evaluate_initial,
            "history": plain(history),
            "updates": int(model.optimizer.iterations),
            "final": weights(model_layers),
            "evaluate": evaluate,
            "predict": by_name(predict, "output"),
        },
    )


def sequential(features, *model_layers):
    """A sequential model with random weights, and its layers by name."""
    model = keras.Sequential([keras.Input((features,)), *model_layers])
    named_layers = named(*model_layers)
    randomize(named_layers)
    return model, named_layers


def batch_normalization():
    for frozen in (False, True):
        norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
        model, names = sequential(
            6, layers.Dense(5, activation="tanh"), norm, layers.Dense(3, activation="softmax")
        )
        norm.trainable = not frozen
        case(
            "batch_normalization_frozen" if frozen else "batch_normalization",
            """Dense 5 tanh, BatchNormalization (momentum 0.9, epsilon 1e-3), Dense 3 softmax; sparse categorical
            cross-entropy. Batches of 6, 6 and 3 rows."""
            + (" The normalization has trainable=False: moving statistics in fit too." if frozen else ""),
            model,
            names,
            numbers(15, 6),
            rng.integers(0, 3, 15),
            optimizers.SGD,
            "sparse_categorical_crossentropy",
            batch_size=6,
            epochs=3,
            optimizer_arguments={"learning_rate": 0.1},
        )


def layer_normalization():
    model, names = sequential(
        6, layers.Dense(5, activation="relu"), layers.LayerNormalization(), layers.Dense(2)
    )
    case(
        "layer_normalization",
        "Dense 5 relu, LayerNormalization (epsilon 1e-3, the default), Dense 2 linear; mse. Batches of 6, 6 and 2 rows.",
        model,
        names,
        numbers(14, 6),
        numbers(14, 2),
        optimizers.Adam,
        "mse",
        batch_size=6,
        epochs=3,
        optimizer_arguments={"learning_rate": 0.01, "epsilon": 1e-7},
    )


def activity_regularizer():
    model, names = sequential(
        5,
        layers.Dense(6, activation="tanh", activity_regularizer=regularizers.L1L2(0.01, 0.02)),
        layers.Dense(2),
    )
    case(
        "activity_regularizer",
        """Dense 6 tanh with activity_regularizer L1L2(l1=0.01, l2=0.02), Dense 2 linear; mse, weighted samples. The
        penalty is divided by the rows of the batch and takes no notice of the weights. Batches of 6, 6 and 2 rows.""",
        model,
        names,
        numbers(14, 5),
        numbers(14, 2),
        optimizers.SGD,
        "mse",
        batch_size=6,
        epochs=3,
        sample_weight=numbers(14, low=0.25, high=2.0),
        metrics=["mse"],
        optimizer_arguments={"learning_rate": 0.1},
    )


def softmax():
    for file, description, hidden, output in [
        ("softmax_mse", "Dense 5 tanh, Dense 4 softmax; mse", "tanh", "softmax"),
        ("softmax_hidden", "Dense 5 softmax, Dense 4 linear; mse", "softmax", None),
    ]:
        model, names = sequential(
            6, layers.Dense(5, activation=hidden), layers.Dense(4, activation=output)
        )
        case(
            file,
            description + ". Batches of 6, 6 and 2 rows.",
            model,
            names,
            numbers(14, 6, low=-2.0, high=2.0),
            numbers(14, 4, low=0.0),
            optimizers.SGD,
            "mse",
            batch_size=6,
            epochs=3,
            optimizer_arguments={"learning_rate": 0.5},
        )


def two_inputs_two_outputs():
    for weight_each in (False, True):
        keras.backend.clear_session()
        a, b = keras.Input((5,), name="a"), keras.Input((3,), name="b")
        from_a, from_b = layers.Dense(4, activation="tanh"), layers.Dense(4, activation="tanh")
        trunk = layers.Dense(6, activation="relu", name="trunk")
        left, right = layers.Dense(4, activation="tanh"), layers.Dense(4)
        digit, size = layers.Dense(3, activation="softmax", name="digit"), layers.Dense(1, name="size")
        joined = trunk(layers.Concatenate()([from_a(a), from_b(b)]))
        summed = layers.Add()([left(joined), right(b)])
        # A dictionary of outputs: with a list, Keras 3.15 mistakes sample weights beside a dictionary of targets.
        model = keras.Model({"a": a, "b": b}, {"digit": digit(joined), "size": size(summed)})
        names = named(from_a, from_b, trunk, left, right, digit, size)
        randomize(names)
        both = numbers(14, low=0.25, high=2.0)
        case(
            "two_inputs_two_outputs" + ("_weight_each" if weight_each else ""),
            """Inputs a (5) and b (3). trunk = Dense 6 relu of concatenate(dense_1(a), dense_2(b)), both Dense 4 tanh.
            Output digit = Dense 3 softmax of trunk. Output size = Dense 1 linear of add(dense_3(trunk), dense_4(b)),
            dense_3 Dense 4 tanh, dense_4 Dense 4 linear. Order of creation: dense_1 (a), dense_2 (b), trunk, dense_3,
            dense_4, digit, size. Batches of 6, 6 and 2 rows. """
            + (
                "Sample weights of their own for each output; weighted metrics as well."
                if weight_each
                else "The same sample weights for both outputs."
            ),
            model,
            names,
            {"a": numbers(14, 5), "b": numbers(14, 3)},
            {"digit": rng.integers(0, 3, 14), "size": numbers(14, 1)},
            optimizers.Adam,
            {"digit": "sparse_categorical_crossentropy", "size": "mse"},
            batch_size=6,
            epochs=3,
            sample_weight={"digit": both, "size": numbers(14, low=0.25, high=2.0) if weight_each else both},
            loss_weights={"digit": 1.0, "size": 0.5},
            metrics={"digit": ["accuracy"], "size": ["mae"]},
            weighted_metrics={"digit": ["accuracy"], "size": ["mae"]} if weight_each else None,
            optimizer_arguments={"learning_rate": 0.01, "epsilon": 1e-7},
        )


def gradient_accumulation():
    every_three = {"gradient_accumulation_steps": 3, "clipnorm": 0.25}
    halving = optimizers.schedules.ExponentialDecay(0.2, 4, 0.5)
    for file, optimizer, arguments in [
        ("sgd", optimizers.SGD, {"learning_rate": 0.2, "momentum": 0.9, **every_three}),
        ("adam", optimizers.Adam, {"learning_rate": 0.02, "epsilon": 1e-7, **every_three}),
        ("schedule", optimizers.SGD, {"learning_rate": halving, **every_three}),
    ]:
        model, names = sequential(5, layers.Dense(4, activation="tanh"), layers.Dense(2))
        case(
            "gradient_accumulation_" + file,
            """Dense 4 tanh, Dense 2 linear; mse. Two epochs of five batches (4, 4, 4, 4 and 2 rows), an update every
            three batches: after the batches 3, 6 and 9 of the run; the gradient of batch 10 is left over. The schedule
            counts batches: the updates see the rates of the steps 2, 5 and 8. clipnorm is per weight and at work.""",
            model,
            names,
            numbers(18, 5, low=-2.0, high=2.0),
            numbers(18, 2, low=-2.0, high=2.0),
            optimizer,
            "mse",
            batch_size=4,
            epochs=2,
            optimizer_arguments=arguments,
        )


def binary_metrics():
    return [
        "accuracy",
        metrics.BinaryAccuracy(threshold=0.4, name="binary_accuracy"),
        metrics.Precision(name="precision"),
        metrics.Recall(name="recall"),
        metrics.AUC(name="auc"),
        "mse",
        "mae",
    ]


def with_ties(rows, features):
    """Rows of which the first is zero and the next three are equal."""
    x = numbers(rows, features, low=-2.0, high=2.0)
    x[0], x[2], x[3] = 0.0, x[1], x[1]
    return x


def binary():
    for outputs in (1, 2):
        dense = layers.Dense(outputs, activation="sigmoid")
        model, names = sequential(5, dense)
        dense.bias.assign(np.zeros(outputs))
        y = rng.integers(0, 2, (20, outputs)).astype(float)
        y[0], y[1], y[2], y[3] = 1.0, 1.0, 0.0, 1.0
        case(
            f"metrics_binary_{outputs}",
            f"""Dense {outputs} sigmoid; binary cross-entropy. metrics and weighted_metrics: accuracy, binary_accuracy
            (threshold 0.4), precision, recall, auc (200 thresholds), mse, mae. Before the training the first row's
            outputs are 0.5 exactly, a target 1 that is not above the threshold; rows 2 to 4 are equal with targets 1,
            0, 1. Batches of 8, 8 and 4 rows."""
            + (" Keras takes accuracy for argmax accuracy here, as there are two outputs." if outputs > 1 else ""),
            model,
            names,
            with_ties(20, 5),
            y,
            optimizers.SGD,
            "binary_crossentropy",
            batch_size=8,
            epochs=3,
            sample_weight=numbers(20, low=0.25, high=2.0),
            metrics=binary_metrics(),
            weighted_metrics=binary_metrics(),
            optimizer_arguments={"learning_rate": 0.1},
        )


def four_classes():
    dense = layers.Dense(4, activation="softmax")
    model, names = sequential(5, dense)
    dense.bias.assign(np.zeros(4))
    y = rng.integers(0, 4, 20)
    y[0] = 3
    top = lambda: metrics.SparseTopKCategoricalAccuracy(k=2, name="top_2")
    case(
        "metrics_four_classes",
        """Dense 4 softmax; sparse categorical cross-entropy. metrics and weighted_metrics: accuracy, and top_2, which is
        SparseTopKCategoricalAccuracy(k=2). Before the training the first row's four outputs are equal, its class is 3:
        wrong for accuracy (the first of equals counts), right for top_2 (no two are larger). Batches of 8, 8 and 4
        rows.""",
        model,
        names,
        with_ties(20, 5),
        y,
        optimizers.SGD,
        "sparse_categorical_crossentropy",
        batch_size=8,
        epochs=3,
        sample_weight=numbers(20, low=0.25, high=2.0),
        metrics=["accuracy", top()],
        weighted_metrics=["accuracy", top()],
        optimizer_arguments={"learning_rate": 0.1},
    )


def crossentropies():
    smoothed = lambda kind, name: kind(label_smoothing=0.25, name=name + "_1")
    binary = lambda: [
        metrics.BinaryCrossentropy(name="crossentropy"),
        metrics.BinaryCrossentropy(),
        smoothed(metrics.BinaryCrossentropy, "binary_crossentropy"),
    ]
    sparse = lambda: [metrics.SparseCategoricalCrossentropy(name="crossentropy"), metrics.SparseCategoricalCrossentropy()]
    categorical = lambda: [
        metrics.CategoricalCrossentropy(name="crossentropy"),
        metrics.CategoricalCrossentropy(),
        smoothed(metrics.CategoricalCrossentropy, "categorical_crossentropy"),
    ]
    one_hot = np.eye(4)[rng.integers(0, 4, 20)]
    for file, dense, y, loss, watched in [
        ("binary", layers.Dense(2, "sigmoid"), rng.integers(0, 2, (20, 2)).astype(float), "binary_crossentropy", binary),
        ("classes", layers.Dense(4, "softmax"), rng.integers(0, 4, 20), "sparse_categorical_crossentropy", sparse),
        # Targets of two classes at once.
        ("one_hot", layers.Dense(4, "softmax"), (one_hot + one_hot[::-1]) / 2, "categorical_crossentropy", categorical),
        ("mse", layers.Dense(4, "softmax"), one_hot, "mse", categorical),
    ]:
        model, names = sequential(5, dense)
        case(
            "metrics_crossentropy_" + file,
            f"""Dense {dense.units} {dense.activation.__name__}; {loss}. metrics and weighted_metrics: crossentropy, which
            is Keras' metric of the kind that goes with the output, and the same under its own name, without and (_1) with
            a label smoothing of 0.25, if it has one. Batches of 8, 8 and 4 rows.""",
            model,
            names,
            with_ties(20, 5),
            y,
            optimizers.SGD,
            loss,
            batch_size=8,
            epochs=3,
            sample_weight=numbers(20, low=0.25, high=2.0),
            metrics=watched(),
            weighted_metrics=watched(),
            optimizer_arguments={"learning_rate": 0.1},
        )


def normalization():
    def data(rows):
        x = numbers(rows, 5) * [8, 4, 1, 2, 16] + [100, 0, 3, -5, 1]
        x[:, 2] = 3.0
        return x

    adapted = data(12)
    norm = layers.Normalization()
    norm.adapt(adapted)
    model, names = sequential(5, norm, layers.Dense(2))
    case(
        "normalization",
        """Normalization adapted to the data of `adapt`, whose third column is 3 throughout, as in x; Dense 2 linear;
        mse. Batches of 6, 6 and 2 rows.""",
        model,
        names,
        data(14),
        numbers(14, 2),
        optimizers.SGD,
        "mse",
        batch_size=6,
        epochs=3,
        optimizer_arguments={"learning_rate": 0.1},
        extra={"adapt": adapted.tolist()},
    )


def one_cycle(max_learning_rate, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """The rates of PyTorch's OneCycleLR (two phases, cosine), by the formula that its documentation states."""
    first = max_learning_rate / div_factor
    last, top = first / final_div_factor, pct_start * total_steps - 1
    half_cosine = lambda start, end, share: end + (start - end) * (1 + np.cos(np.pi * share)) / 2
    for step in range(total_steps):
        if step <= top:
            yield half_cosine(first, max_learning_rate, step / top)
        else:
            yield half_cosine(max_learning_rate, last, (step - top) / (total_steps - 1 - top))


def schedules():
    kinds = optimizers.schedules
    chosen = [
        (kinds.ExponentialDecay, dict(initial_learning_rate=0.1, decay_steps=10, decay_rate=0.9)),
        (kinds.ExponentialDecay, dict(initial_learning_rate=0.1, decay_steps=7, decay_rate=0.5, staircase=True)),
        (kinds.ExponentialDecay, dict(initial_learning_rate=0.01, decay_steps=5, decay_rate=1.5)),
        (kinds.CosineDecay, dict(initial_learning_rate=0.1, decay_steps=20)),
        (kinds.CosineDecay, dict(initial_learning_rate=0.1, decay_steps=13, alpha=0.25)),
        (kinds.CosineDecay, dict(initial_learning_rate=0.0, decay_steps=15, alpha=0.1, warmup_target=0.5, warmup_steps=6)),
        (kinds.CosineDecay, dict(initial_learning_rate=0.2, decay_steps=9, warmup_target=0.05, warmup_steps=1)),
        (kinds.PiecewiseConstantDecay, dict(boundaries=[10, 20], values=[1.0, 0.5, 0.25])),
        (kinds.PiecewiseConstantDecay, dict(boundaries=[3], values=[0.1, 0.01])),
        (kinds.PiecewiseConstantDecay, dict(boundaries=[0, 1, 29], values=[0.3, 0.2, 0.1, 0.05])),
        (kinds.PolynomialDecay, dict(initial_learning_rate=0.1, decay_steps=20)),
        (kinds.PolynomialDecay, dict(initial_learning_rate=0.1, decay_steps=8, end_learning_rate=0.01, power=2.0)),
        (kinds.PolynomialDecay, dict(initial_learning_rate=0.1, decay_steps=7, end_learning_rate=0.0, power=0.5, cycle=True)),
    ]
    written = []
    for kind, arguments in chosen:
        schedule = kind(**arguments)
        rates = [float(schedule(step)) for step in range(31)]
        written.append({"schedule": kind.__name__, **schedule.get_config(), "rates": rates})
    for arguments in [
        dict(max_learning_rate=0.1, total_steps=31),
        dict(max_learning_rate=1.0, total_steps=20, pct_start=0.25, div_factor=10.0, final_div_factor=100.0),
    ]:
        rates = [float(rate) for rate in one_cycle(**arguments)]
        written.append({"schedule": "OneCycle", **arguments, "rates": rates})
    write(
        "schedules",
        {
            "description": """Learning rates of Keras' schedules at the steps 0 to 30, and of PyTorch's OneCycleLR by its
formula, from step 0 to its last; that one was not computed by PyTorch itself.""".replace("\n", " "),
            "schedules": written,
        },
    )


everything = [
    batch_normalization,
    layer_normalization,
    activity_regularizer,
    softmax,
    two_inputs_two_outputs,
    gradient_accumulation,
    binary,
    four_classes,
    normalization,
    schedules,
    crossentropies,
]
for seed, make in enumerate(everything):
    rng = np.random.default_rng(seed)
    make()
