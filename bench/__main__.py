"""`python -m bench`: measure, print the tables, and on request write them to docs/benchmarks.md."""

import argparse

from bench.latency import latency_table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--feeds", type=int, nargs="*", default=[1, 10, 100, 500])
    parser.add_argument("--samples", type=int, default=100)
    args = parser.parse_args()
    print(latency_table(samples=args.samples, warm_up=30, feed_counts=args.feeds))


if __name__ == "__main__":
    main()
