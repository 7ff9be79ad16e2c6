mod support;
mod smoke;
