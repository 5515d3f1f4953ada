"""What wakes somebody, posted by the keeper itself: for whoever has no Prometheus, or whose Prometheus is down too."""
