"""The classes of all families, made from their table; classes.pyi lists them for editors and type checkers."""

from massivetext.models.families.table import CLASSES

globals().update({model.__name__: model for models in CLASSES.values() for model in models.values()})
