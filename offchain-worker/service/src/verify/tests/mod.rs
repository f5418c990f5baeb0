mod keep;
mod lottery;
mod sampling;
mod verdicts;
