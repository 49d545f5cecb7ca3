"""What crosses a wire: names, specifications, messages, HTTP bodies. Imports msgspec only; no I/O."""
