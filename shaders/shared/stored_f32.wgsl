// How kernels store rows of activations and of their gradients. They load `vec4<f32>(rows[i])`, compute
// in f32, and store `Rows(values)`. What is always f32, such as parameters, sums and targets, is declared
// `vec4<f32>`.
alias Rows = vec4<f32>;
alias RowValue = f32;
