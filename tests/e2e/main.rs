mod matrix;
mod support;
