"""Every step of the keeper as it happens: one hub, and two ways to listen to it."""
