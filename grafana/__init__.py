"""The dashboards of Grafana, and what makes them."""
