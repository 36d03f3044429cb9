"""Models as SQL objects: training in gangs, prediction as ordinary plans. See docs/architecture.md."""
