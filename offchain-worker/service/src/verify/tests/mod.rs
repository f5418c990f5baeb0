mod keep;
mod lottery;
mod sampling;
mod tickets;
mod verdicts;
