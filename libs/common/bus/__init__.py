"""The event bus: one contract (`contract`), two implementations (`rabbitmq`, `inprocess`)."""
