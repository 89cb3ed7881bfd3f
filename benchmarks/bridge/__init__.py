"""The way to a physical arm and the steadiness of its commands, beside bare hops."""
