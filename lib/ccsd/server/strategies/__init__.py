"""Which study a user is offered next."""
