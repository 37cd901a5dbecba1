"""Scenes with a known truth: cloudy series of any optical sensor over fields, forests, towns and water."""

from clearcube.simulation.config import SceneConfig
from clearcube.simulation.draws import random_config
from clearcube.simulation.landcover import LandCover
from clearcube.simulation.scene import Scene, simulate

__all__ = ["LandCover", "Scene", "SceneConfig", "random_config", "simulate"]
