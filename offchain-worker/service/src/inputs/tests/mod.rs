mod fetch;
mod segments;
