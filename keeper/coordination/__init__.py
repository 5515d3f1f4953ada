"""Who may send for an account: alone, by a lock on one machine, or by leases in PostgreSQL or Kubernetes."""
