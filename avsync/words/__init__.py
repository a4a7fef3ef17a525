"""Words are recognised from lips: what avsync's features are good for, too."""
