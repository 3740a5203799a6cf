// How kernels store rows of activations and of their gradients, as in `stored_f32.wgsl`: what is loaded
// becomes f32, and what is stored is rounded to f16.
alias Rows = vec4<f16>;
alias RowValue = f16;
