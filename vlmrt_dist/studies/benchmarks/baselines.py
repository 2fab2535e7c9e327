"""Baselines of replay: Sionna's solver in the usual calibration loop, and DiffeRT.

Each gives Adam the loss (8), summed over the setups, and its gradient
(:class:`~vlmrt_dist.field.objective.Differentiable`). The measured powers are those that it
simulates itself at the truth, so that each can reach an exact fit.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import PowerLoss, ValueAndGrad
from vlmrt_dist.paths import LiveScene, dr, mi, rt
from vlmrt_dist.scene import SceneModel


class OneSolve:
    """Retrace with all M setups in one solve: M transmitters and M · N receivers, M² · N links of
    which M · N count. The wasted links cost less than M solves would.

    :param scene: K objects
    :param positions: M setups of N receivers, all there
    :param radio: carrier, antennas and solver settings; power combining
    :param truth: [K] conductivities that the measured powers are those of [S/m]
    """

    def __init__(
        self, scene: SceneModel, positions: Campaign, radio: RadioConfig, truth: FloatArray
    ) -> None:
        self.live = LiveScene(scene, radio, material_per_object=True)
        # Reverse-mode differentiation needs loops that are evaluated, not recorded.
        self.live.solver.loop_mode = "evaluated"
        self._seed = radio.seed
        wanted = np.zeros((positions.num_links, positions.num_setups), np.float32)
        for m, setup in enumerate(positions.setups):
            self.live.scene.add(rt.Transmitter(f"tx-{m}", position=self.live.point(setup.tx)))
            for n, rx in enumerate(setup.rx):
                name = f"rx-{m}-{n}"
                self.live.scene.add(rt.Receiver(name, position=self.live.point(rx)))
                wanted[m * len(setup.rx) + n, m] = 1.0
        self.live.differentiate_by(truth)
        with dr.suspend_grad():
            powers = np.asarray(self.power().numpy())
        self._measured = mi.TensorXf(powers * wanted)
        each = np.divide(wanted, powers, out=np.zeros_like(powers), where=wanted > 0.0)
        self._scale = mi.TensorXf(each / (positions.num_links // positions.num_setups))

    def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
        """Loss [1, 1] and gradient [1, 1, K] of one vector of conductivities [1, K] [S/m]."""
        self.live.differentiate_by(theta[0])
        loss = self.loss()
        dr.backward(loss)
        gradient = [dr.grad(material.conductivity)[0] for material in self.live.materials]
        return ValueAndGrad(np.array([[loss[0]]]), np.array(gradient, np.float64)[None, None])

    def power(self) -> Any:
        """[M · N, M] received over transmitted power of every receiver from every transmitter."""
        real, imaginary = (x[:, 0, :, 0, :] for x in self.live.solve(self._seed).a)
        return dr.sum(dr.square(real) + dr.square(imaginary), axis=2)

    def loss(self) -> Any:
        """Loss (8) of all setups together."""
        wanted = self._scale > 0.0
        error = dr.abs(dr.select(wanted, self.power(), 0.0) - self._measured)
        return dr.sum((error * self._scale).array)


class UsualLoop(OneSolve):
    """The calibration loop as Sionna's guides write it, with Mitsuba's Adam.

    :param start: [K] initial conductivities [S/m]
    :param learning_rate: [S/m]
    """

    def __init__(
        self,
        scene: SceneModel,
        positions: Campaign,
        radio: RadioConfig,
        truth: FloatArray,
        start: FloatArray,
        learning_rate: float,
    ) -> None:
        super().__init__(scene, positions, radio, truth)
        values = {str(k): mi.Float(float(value)) for k, value in enumerate(start)}
        self._adam = mi.ad.Adam(lr=learning_rate, params=values)

    @property
    def theta(self) -> FloatArray:
        """[K] conductivities now [S/m]."""
        return np.array([dr.detach(self._adam[str(k)])[0] for k in range(len(self.live.materials))])

    def step(self) -> None:
        """One iteration."""
        for k, material in enumerate(self.live.materials):
            material.conductivity = self._adam[str(k)]
        dr.backward(self.loss())
        self._adam.step()


class DiffeRT:
    """Reflections only, by the differentiable ray tracer DiffeRT on JAX, its paths found once.

    :param scene: K objects
    :param positions: M setups of N receivers, all there
    :param radio: carrier and depth
    :param truth: [K] conductivities that the measured powers are those of [S/m]
    :raises ImportError: if DiffeRT is not installed (the extra ``bench``)
    """

    def __init__(
        self, scene: SceneModel, positions: Campaign, radio: RadioConfig, truth: FloatArray
    ) -> None:
        import jax
        import jax.numpy as jnp
        from differt.geometry import Mesh, Scene

        self._scene, self._radio = scene, radio
        self._num_receivers = positions.num_receivers
        first = np.cumsum([0] + [len(o.vertices) for o in scene.objects])
        faces = [o.faces + n for o, n in zip(scene.objects, first, strict=False)]
        owner = np.repeat(np.arange(scene.num_objects), [len(o.faces) for o in scene.objects])
        self._mesh = Mesh(
            vertices=jnp.asarray(np.concatenate([o.vertices for o in scene.objects]), jnp.float32),
            triangles=jnp.asarray(np.concatenate(faces)),
            face_materials=jnp.asarray(owner),
            material_names=scene.names,
        )
        self._scenes = [
            Scene(*(jnp.asarray(x, jnp.float32) for x in (s.tx[None], s.rx)), self._mesh)
            for s in positions.setups
        ]
        # The valid ones only, as a flat list, and the receiver of each.
        self._paths = [
            (paths.masked(), jnp.asarray(np.nonzero(np.asarray(paths.mask))[1]))
            for paths in self.trace()
        ]
        measured = [self._powers(jnp.asarray(truth, jnp.float32), *each) for each in self._paths]

        def loss(sigma: Any) -> Any:
            powers = [self._powers(sigma, *each) for each in self._paths]
            pairs = zip(powers, measured, strict=True)
            return sum(jnp.mean(jnp.abs(power - each) / each) for power, each in pairs)

        self._step = jax.jit(jax.value_and_grad(loss))

    @cached_property
    def num_paths(self) -> int:
        """Paths found."""
        return sum(len(receiver) for _, receiver in self._paths)

    def trace(self) -> list[Any]:
        """All paths of every setup, by trying each chain of faces."""
        import jax

        orders = tuple(range(self._radio.max_depth + 1))
        found = [scene.trace_paths(order=orders, solver="exhaustive") for scene in self._scenes]
        jax.block_until_ready([paths.vertices for paths in found])
        return found

    def rss(self, theta: FloatArray) -> FloatArray:
        """Received powers [1, M, N] [W] of one vector of conductivities [1, K] [S/m]."""
        import jax.numpy as jnp

        sigma = jnp.asarray(theta[0], jnp.float32)
        powers = [np.asarray(self._powers(sigma, *each), np.float64) for each in self._paths]
        return np.array(powers)[None] * self._radio.tx_power

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """Loss [1, 1] and gradient [1, 1, K] of one vector of conductivities [1, K] [S/m].

        :raises ConfigurationError: if another loss than the paper's is asked for
        """
        import jax.numpy as jnp

        if loss != "nae":
            raise ConfigurationError("the DiffeRT baseline knows the loss nae only")
        value, gradient = self._step(jnp.asarray(theta[0], jnp.float32))
        return ValueAndGrad(
            np.array([[float(value)]]), np.asarray(gradient, np.float64)[None, None]
        )

    def _powers(self, sigma: Any, paths: Any, receiver: Any) -> Any:
        """[N] received over transmitted power."""
        import differt.em as em
        import jax
        import jax.numpy as jnp

        permittivity = self._scene.relative_permittivity(self._radio.frequency)
        materials = {
            name: em.Material(
                name,
                lambda f, k=k: (permittivity[k] * jnp.ones_like(f), sigma[k] * jnp.ones_like(f)),
                thickness=float(self._scene.thickness[k]),
            )
            for k, name in enumerate(self._scene.names)
        }
        frequency = jnp.asarray(self._radio.frequency)
        field = em.compute_received_fields(paths, self._mesh, frequency, radio_materials=materials)
        return jax.ops.segment_sum(jnp.abs(field) ** 2, receiver, self._num_receivers)
