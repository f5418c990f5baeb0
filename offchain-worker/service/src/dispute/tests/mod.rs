mod disputes;
