"""What sipx.core knows: values, grammars and machines."""
