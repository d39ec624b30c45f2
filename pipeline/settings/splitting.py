"""Methods of admm.md: networks whose layers or blocks have variables of their own, and decomposition of images."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.settings.networks import AnyNetwork, Mlp, NoNetwork
from pipeline.settings.training import Adam, AnyOptimiser, Course, Loss, Method, Steps, Training


class Splitting(Method, Training):
    """A network in blocks, each with a variable Z_t in place of its output and a penalty for not being that output."""

    backpropagates: ClassVar[bool] = False

    network: AnyNetwork = Mlp()
    optimiser: AnyOptimiser = Adam()
    """Of the weights Theta_t."""
    schedule: Steps = Steps(milestones=())
    batch_size: PositiveInt = 128
    loss: Loss = "squared_error"
    """Per image, summed over classes (admm.md section 3.2)."""
    cuts: tuple[str, ...] | None = None
    """Stages of the network behind which it is cut; null means all but the last."""
    beta: PositiveFloat = 1.0
    """Weight of the penalty beta/2 |Z_t - block_t(Z_{t-1})|² beside the loss."""
    z_optimiser: Literal["gd", "adam_fresh", "adam_persistent"] = "gd"
    """Steps of Z: gradient descent, or Adam with moments that begin anew at every visit of an image or last for it."""
    zeta: PositiveFloat | Literal["auto"] = 0.5
    """Length of these steps; auto takes the safe one for gradient descent on linear blocks (admm.md section 3.4)."""
    n_z: PositiveInt = 1
    """Sweeps over Z_T to Z_1 in a row."""
    n_theta: PositiveInt = 1
    """Of a cycle: passes of Theta over the images; else steps of Theta in a row."""
    inner: PositiveInt = 1
    """Online: how often sweeps and steps are repeated on a mini-batch before the next."""
    storage: Literal["float32", "bfloat16", "disk"] = "float32"
    """How variables of all images are kept: in memory, there in half the bytes, or in a temporary file. It is float32
    arithmetic throughout. A run's saved state contains them."""

    @model_validator(mode="after")
    def _steps_fit(self) -> "Splitting":
        if self.zeta == "auto" and self.z_optimiser != "gd":
            raise ValueError(f"zeta: auto is a step of gd; give zeta a number for {self.z_optimiser}")
        if self.updates == "online" and self.z_optimiser == "adam_persistent":
            raise ValueError("updates: online builds Z anew for each mini-batch; take another z_optimiser")
        return self


class BlockAdmm(Splitting):
    """Stochastic Block-ADMM (admm.md section 3)."""

    kind: Literal["block_admm"] = Field(alias="from")
    updates: Literal["cycle", "mini_batch", "online"] = "cycle"
    """Order of the updates (admm.md section 3.3): Z of all images, then Theta, then U of all; all three for a
    mini-batch at a time; or so with Z built anew by a forward pass each time."""
    order: Literal["reverse", "forward"] = "reverse"
    """Sweep from Z_T to Z_1, or from Z_1 to Z_T."""
    duals: bool = True
    """Have scaled dual variables U_t; without, they are 0 throughout."""
    dual_init: NonNegativeFloat = 0.01
    """They start uniformly between 0 and this."""
    penalty: Literal["fixed", "adaptive"] = "fixed"
    """Leave beta as it is, or raise it after a cycle in which the residual has not shrunk (admm.md section 3.8)."""
    shrinkage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """c of the adaptive penalty: beta goes to beta / c unless the residual is at most c times the least so far."""
    beta_limit: PositiveFloat = 100.0
    """Largest beta of the adaptive penalty."""

    @model_validator(mode="after")
    def _is_stable(self) -> "BlockAdmm":
        if self.penalty == "adaptive":
            if self.z_optimiser == "gd" and self.zeta != "auto":
                raise ValueError("penalty: adaptive raises beta until steps of fixed zeta diverge; set zeta: auto")
            if self.beta_limit < self.beta:
                raise ValueError(f"beta_limit {self.beta_limit} is below beta {self.beta}; raise it")
        return self


class Gotmare(Splitting):
    """Blocks with gluing variables and penalty, without duals (Gotmare et al. 2018; admm.md section 5.3)."""

    kind: Literal["gotmare"] = Field(alias="from")
    updates: Literal["online", "cycle"] = "online"
    """Build Z anew by a forward pass for each mini-batch, or keep Z of all images and step it before each pass of
    Theta."""


class DeepFacto(Method, Training):
    """Maps factorised within a network, and an embedding of the scores (admm.md section 4)."""

    backpropagates: ClassVar[bool] = False

    kind: Literal["deepfacto"] = Field(alias="from")
    optimiser: AnyOptimiser = Adam(learning_rate=1e-4)
    """Of the weights Theta_1 up to the last maps."""
    schedule: Steps = Steps(milestones=())
    """Of this optimiser alone."""
    embedding_optimiser: AnyOptimiser = Adam()
    """Of the linear layer from scores to embeddings, in the warm start and in the cycles."""
    batch_size: PositiveInt = 128
    """Images in a step of the weights; the last, smaller batch of an epoch is left out."""
    rank: PositiveInt = 32
    """r, the columns of M and the scores of each position."""
    embedding: PositiveInt = 512
    """Numbers of an embedding."""
    margin: PositiveFloat = 0.2
    """Of the triplet loss, on squared distances between embeddings of length 1."""
    identities: Annotated[int, Field(ge=2)] = 32
    """Groups of images of one class in a batch of the triplet loss."""
    images_each: Annotated[int, Field(ge=2)] = 4
    """Images in a group, all there are of a smaller class."""
    beta: PositiveFloat = 1.0
    """Weight of beta/2 |Z_1 - block_1(X) + U_1|² and of beta/2 |Z_2 - B(S) + U_2|²."""
    gamma: PositiveFloat = 1.0
    """Weight of gamma/2 |Z_1 - S M' + V|²."""
    zeta: PositiveFloat = 0.5
    """Length of the steps of the embeddings Z_2."""
    score_steps: PositiveInt = 5
    """Projected gradient steps of S in a cycle."""
    warm_positions: PositiveInt = 50000
    """Most positions of maps, drawn from all images, to which M is fitted before the cycles."""
    warm_epochs: NonNegativeInt = 10
    """Epochs before the cycles in which the linear layer alone is trained."""
    storage: Literal["float32", "bfloat16", "disk"] = "float32"
    """How variables of all images are kept: in memory, there in half the bytes, or in a temporary file. It is float32
    arithmetic throughout. A run's saved state contains them."""


class FullBatch(Method, Course):
    """Sweeps over variables of all images at once, without gradients through the network; an epoch is a sweep."""

    backpropagates: ClassVar[bool] = False
    network: AnyNetwork = Mlp()
    epochs: PositiveInt = 100


class DrawnStart(FullBatch):
    """Sweeps that draw their own start."""

    @model_validator(mode="after")
    def _has_no_base(self) -> "DrawnStart":
        if self.base is not None:
            raise ValueError("base has no effect, since the method draws its own start; leave it out")
        return self


class Admm(DrawnStart):
    """ADMM with closed forms (admm.md section 2)."""

    kind: Literal["admm"] = Field(alias="from")
    loss: Literal["squared_error", "hinge"] = "squared_error"
    """Per image: 1/2 Σ (z - onehot)² over the classes, or max(1 - z, 0) at the label and max(z, 0) elsewhere."""
    beta: PositiveFloat = 10.0
    """Weight of beta/2 |Z_l - A_{l-1} W_l' + U_l|², for pre-activations Z and activations A of layer l."""
    gamma: PositiveFloat = 10.0
    """Weight of gamma/2 |A_l - relu(Z_l) + V_l|²."""
    weight_decay: NonNegativeFloat = 5e-5
    """lambda of lambda/2 |W_l|², without which pixels that are always 0 make the first layer's problem singular."""
    init_scale: PositiveFloat = 1e-4
    """Variables and duals start uniformly between 0 and this."""
    order: Literal["z_then_a", "a_then_z"] = "z_then_a"
    """Which variable of a hidden layer is found first."""


class Taylor(DrawnStart):
    """Training without gradients (Taylor et al. 2016; admm.md section 5.1)."""

    kind: Literal["taylor"] = Field(alias="from")
    variant: Literal["thesis", "original"] = "thesis"
    """As run by Khorram 2020, or as published in 2016, where weight_decay and init_scale have no effect."""
    loss: Literal["squared_error", "hinge"] = "squared_error"
    """Per image: 1/2 Σ (z - onehot)² over the classes, or max(1 - z, 0) at the label and max(z, 0) elsewhere."""
    beta: PositiveFloat = 10.0
    """Weight of beta/2 |Z_l - A_{l-1} W_l'|², for pre-activations Z and activations A of layer l; 1 in the original."""
    gamma: PositiveFloat = 10.0
    """Weight of gamma/2 |A_l - relu(Z_l)|²."""
    weight_decay: NonNegativeFloat = 5e-5
    """lambda of lambda/2 |W_l|², without which pixels that are always 0 make the first layer's problem singular."""
    init_scale: PositiveFloat = 1e-4
    """Variables and the dual start uniformly between 0 and this."""
    warm_up: NonNegativeInt = 0
    """First epochs, in which the dual variable stays as it is."""


class Zeng(FullBatch):
    """Block coordinate descent (Zeng et al. 2019; admm.md section 5.2)."""

    kind: Literal["zeng"] = Field(alias="from")
    network: AnyNetwork = Mlp(init="small")
    """Its random weights are the start: those of the authors with init: small."""
    alpha: PositiveFloat = 5.0
    """Weight of alpha/2 |new - old|²; 1 in the authors' deep networks."""
    rho: PositiveFloat = 1.0
    """Weight of rho/2 |Z_l - A_{l-1} W_l' - b_l|², for pre-activations Z and activations A of layer l."""
    gamma: PositiveFloat = 1.0
    """Weight of gamma/2 |A_l - relu(Z_l)|², for the last layer without relu."""
    newest_weights: bool = False
    """Find b_l with the new W_l, so that the objective never rises; else with the old, as the authors' code does."""


class Dladmm(DrawnStart):
    """dlADMM (Wang et al. 2019; admm.md section 5.4)."""

    kind: Literal["dladmm"] = Field(alias="from")
    rho: PositiveFloat = 1e-6
    """First weight rho of all penalties; ten times as large whenever the cost has risen three iterations in a row."""
    rho_limit: PositiveFloat = 0.1
    """Largest rho."""
    theta: PositiveFloat = 1.0
    """Where the search for the step 1/theta of W and 1/tau of a begins; rises as rho does, without a limit."""
    init_scale: PositiveFloat = 0.1
    """Deviation of the random weights and biases."""
    same_draws: bool = False
    """Draw all weights and biases from one and the same stream from its beginning on, as the authors' code does: they
    are then correlated."""
    output_steps: PositiveInt = 500
    """Most steps of FISTA in an update of the last layer's outputs."""
    output_tolerance: NonNegativeFloat = 1e-3
    """Change of its objective, summed over images, below which FISTA ends."""

    @model_validator(mode="after")
    def _starts_below_the_limit(self) -> "Dladmm":
        if self.rho > self.rho_limit:
            raise ValueError(f"rho {self.rho:g} is above rho_limit {self.rho_limit:g}; lower it or raise the limit")
        return self


class Decomposition(Method, Course):
    """NMF or PCA of the training images themselves; no network is trained (admm.md E8)."""

    backpropagates: ClassVar[bool] = False

    kind: Literal["decomposition"] = Field(alias="from")
    network: NoNetwork = NoNetwork()
    epochs: Literal[1] = 1
    """All sweeps are in one."""
    watch_test: Literal[False] = False
    """There is no accuracy to record."""
    base: None = None
    """There are no weights to start from."""
    algorithm: Literal["nmf", "pca"]
    rank: Annotated[int, Field(ge=2)] = 16
    """Bases."""
    images: PositiveInt | None = None
    """Decompose so many training images, which the seed draws; null means all."""
    sweeps: PositiveInt = 400
    """Most sweeps of NMF."""
