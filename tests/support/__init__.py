"""What tests share: clocks, networks and builders."""
