"""A keeper under random faults for a chosen time: in the end every wei, nonce, task and socket is accounted for."""
