"""Reference files computed by scikit-learn, for tests/text.rs.

    pip install scikit-learn==1.9.1
    python generate.py [directory]

Writes `tokens.json` and `vectorizers.json` into `directory` (this script's own by default). `tokens.json` says which
characters are of a word in Python, and has the terms of some texts. `vectorizers.json` has corpora with a class for
each text, and what scikit-learn makes of them: all in float64.
"""

import json
import math
import os
import random
import re
import sys
import unicodedata
from collections import Counter

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
random.seed(9)


def ranges(condition):
    """The characters that meet a condition, as first and last of each run."""
    result = []
    for code in range(sys.maxunicode + 1):
        if condition(chr(code)):
            if result and result[-1][1] == code - 1:
                result[-1][1] = code
            else:
                result.append([code, code])
    return result


def write(name, value):
    with open(os.path.join(OUT, name), "w", encoding="ascii") as file:
        json.dump(value, file, allow_nan=False, separators=(",", ":"))
        file.write("\n")


TEXTS = [
    "",
    " ",
    "a I 5 _",
    "The QUICK brown fox, the lazy dog; the fox!",
    "It's Wall St.'s 2nd-best day: $1,234.56 (up 3.5%)",
    "snake_case __init__ _x x_ _ __ 007 3_000",
    "Caf\u00e9 cafe\u0301 CAFE\u0301 na\u00efve na\u0131ve \u00c5ngstr\u00f6m \u0141\u00f3d\u017a \u00d8re",
    "\u1e9e\u00df Stra\u00dfe STRASSE \ufb01ne \ufb03 \u01c4 \u01c6",
    "\u039f\u0394\u039f\u03a3 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3 \u03a3\u03a3 \u1fbc \u1f80",
    "\u0130stanbul I\u0130 \u0131i",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0419\u043e\u0433",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u65e5\u672c\u8a9e \u3067\u3059 \u30ac\u30ae \uff76\uff9e \uff21\uff22\uff11\uff12",
    "\ud55c\uad6d\uc5b4 \ub300\ud55c",
    "\u0645\u0631\u062d\u0628\u0627\u064b \u0661\u0662\u0663",
    "x\u00b2 10\u00b3 \u00bd\u00bc \u2167\u2168 \u2460\u2461 \u24d0\u24d1 \u2102\u2115 \U0001d400\U0001d401",
    "\u00aa\u00ba 1\u00ba \u2122\u2120 \u33a5 \u3300 \u210c\u210d",
    "tea\u200bpot zero\u200dwidth soft\u00adhyphen no\u00a0break\u2009thin",
    "\U0001f600 smile\U0001f600face \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "line\nbreak\ttab\r\nback\\slash dwindling\\band of\\no one",
    "#39;s T N &lt;b&gt; http://www.example.com/a?b=c user@example.com",
    "one one two one two one two three",
    "\u0301\u0301leading e\u0301\u0327\u0323 e\u0327\u0301",
]
BYTES = [
    b"caf\xe9 ol\xe9 \xff\xfe word",
    b"cut \xe2\x82 off \xf0\x9f\x98 end\xc3",
    b"over\xc0\xaflong \xed\xa0\x80surrogate \xf4\x90\x80\x80beyond",
]


def random_text():
    """Words of letters, marks, digits and signs of many scripts."""
    blocks = [(0x20, 0x7F), (0xA0, 0x180), (0x370, 0x400), (0x400, 0x500), (0x900, 0x980), (0x1E00, 0x2000)]
    blocks += [(0x2070, 0x2190), (0x3040, 0x3100), (0xFB00, 0xFB50), (0xFF00, 0xFFF0), (0x300, 0x370), (0x1D400, 0x1D7FF)]
    text = ""
    for _ in range(40):
        low, high = random.choice(blocks)
        character = chr(random.randrange(low, high))
        if unicodedata.category(character) != "Cn":
            text += character * random.choice([1, 1, 1, 2]) + random.choice(["", "", "", " ", "a", "E\u0301"])
    return text


def tokens():
    word = re.compile(r"(?u)\w")
    cases = []
    for data in [text.encode() for text in TEXTS + [random_text() for _ in range(40)]] + BYTES:
        for lowercase, accents, ngrams in [
            (True, "unicode", (1, 2)),
            (False, None, (1, 1)),
            (True, None, (1, 3)),
            (False, "unicode", (2, 3)),
        ]:
            analyzer = CountVectorizer(
                lowercase=lowercase, strip_accents=accents, ngram_range=ngrams, decode_error="replace"
            ).build_analyzer()
            cases.append(
                {
                    "bytes": list(data),
                    "lowercase": lowercase,
                    "strip_accents": accents is not None,
                    "ngrams": ngrams,
                    "counts": dict(sorted(Counter(analyzer(data)).items())),
                }
            )
    write(
        "tokens.json",
        {
            "word": ranges(lambda c: word.match(c) is not None),
            # Other versions of Unicode may know them.
            "unassigned": ranges(lambda c: unicodedata.category(c) in ("Cn", "Cs")),
            "cases": cases,
        },
    )


def corpus(sizes):
    """Texts of classes: words that each class has more often, words of all, and words that tell nothing."""
    texts, classes = [], []
    names = ["match goal team coach", "oil price stock march", "war vote peace minister", "chip code web phone"]
    common = "the of and in to a new said for on at by with from week year day".split()
    rare = [f"rare{number}" for number in range(40)]
    for index, size in enumerate(sizes):
        own = (names[index] + " \u00c9lan caf\u00e9").split()
        others = " ".join(names).split()
        for _ in range(size):
            words = random.choices(own, k=random.randrange(3, 9)) + random.choices(common, k=random.randrange(4, 12))
            words += random.choices(others, k=2) + random.choices(rare, k=2)
            random.shuffle(words)
            # One word in all texts, and one in those of one class: F-values that are no numbers.
            texts.append(" ".join(words + ["always"] + ["only"] * (index == 0)))
            classes.append(index)
    together = list(zip(texts, classes))
    random.shuffle(together)
    return [text for text, _ in together], [index for _, index in together]


def f_scores(values, classes):
    """F-values. None is negative but by rounding, where a term is the same in each text of a class."""
    f_values, _ = f_classif(values, classes)
    f_values[f_values < 0] = np.inf
    return f_values


def number(value):
    """JSON has neither NaN nor infinity."""
    return None if math.isnan(value) else "infinite" if math.isinf(value) else float(value)


def untied(scores, k):
    """The largest number of features up to `k`, so that the last of them is clearly better than the next."""
    best = sorted(scores, reverse=True)
    while best[k - 1] - best[k] < 1e-9 * best[k - 1]:
        k -= 1
    assert k > 0
    return k


def case(texts, new, classes, ngrams, min_df, k, values, selection):
    words = {"ngram_range": ngrams, "min_df": min_df, "strip_accents": "unicode"}
    counter = CountVectorizer(**words)
    counts = counter.fit_transform(texts)
    if selection == "frequency":
        # Which of equally frequent terms it takes is not defined.
        k = untied(np.asarray(counts.sum(axis=0)).ravel(), k)
        words["max_features"] = k
    kinds = {
        "counts": [CountVectorizer(**words)],
        "binary": [CountVectorizer(**words, binary=True)],
        "tf_idf": [CountVectorizer(**words), TfidfTransformer()],
        "tf_idf_sublinear": [TfidfVectorizer(**words, sublinear_tf=True, norm=None), Normalizer()],
        "tf_idf_sublinear_unnormed": [TfidfVectorizer(**words, sublinear_tf=True, norm=None)],
    }
    steps = kinds[values]
    if selection == "f_value":
        scores = np.nan_to_num(f_scores(steps[0].fit_transform(texts), classes), nan=-1, posinf=1e9)
        # Sums of logarithms depend on their order, so that which of nearly equal terms is taken does too.
        k = untied(scores, k) if "sublinear" in values else k
        steps.insert(1, SelectKBest(f_scores, k=k))
    pipeline = make_pipeline(*steps).fit(texts, classes)
    names = steps[0].get_feature_names_out()
    terms = names if selection == "frequency" else names[steps[1].get_support()]
    rows = pipeline.transform(texts + new).tocsr()
    rows.sort_indices()
    return {
        "ngrams": ngrams,
        "min_df": min_df,
        "max_features": k,
        "values": values,
        "selection": selection,
        "terms": list(terms),
        "starts": rows.indptr.tolist(),
        "indices": rows.indices.tolist(),
        "data": [float(value) for value in rows.data],
    }


def vectorizers():
    corpora = []
    # Sizes whose shares are exact in binary, and sizes whose shares are not.
    for sizes in [(8, 8, 8, 8), (7, 11, 5)]:
        texts, classes = corpus(sizes)
        new = ["Caf\u00e9 \u00e9lan match match MATCH oil", "nothing known here at-all?", "always only"]
        counter = CountVectorizer(ngram_range=(1, 2), min_df=2, strip_accents="unicode")
        counts = counter.fit_transform(texts)
        weighed = TfidfVectorizer(ngram_range=(1, 2), min_df=2, strip_accents="unicode", norm=None)
        cases = [
            case(texts, new, classes, ngrams, min_df, k, values, selection)
            for ngrams, min_df, k, values, selection in [
                ((1, 2), 2, 50, "tf_idf", "f_value"),
                ((1, 2), 2, 51, "tf_idf", "f_value"),
                ((1, 2), 2, 90, "counts", "f_value"),
                ((1, 2), 2, 5, "counts", "f_value"),
                ((1, 2), 1, 300, "binary", "f_value"),
                ((1, 1), 3, 12, "tf_idf_sublinear", "f_value"),
                ((2, 3), 1, 150, "tf_idf", "f_value"),
                ((1, 1), 1, 8, "tf_idf", "frequency"),
                ((1, 2), 2, 20, "tf_idf_sublinear_unnormed", "frequency"),
            ]
        ]
        corpora.append(
            {
                "texts": texts,
                "classes": classes,
                "new": new,
                "f_values_of_counts": [number(f) for f in f_scores(counts, classes)],
                "f_values_of_tf_idf": [number(f) for f in f_scores(weighed.fit_transform(texts), classes)],
                "cases": cases,
            }
        )
    write("vectorizers.json", corpora)


tokens()
vectorizers()
