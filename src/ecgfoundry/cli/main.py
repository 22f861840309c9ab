"""The ``ecgfoundry`` command."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from ecgfoundry._version import __version__
from ecgfoundry.cli import (
    calibrate,
    compare,
    convert,
    corpus,
    database,
    datasets,
    deliveries,
    diagnose,
    embed,
    evaluate,
    explain,
    finetune,
    formats,
    holter,
    infer,
    labs,
    manifest,
    mcp,
    measure,
    models,
    pretrain,
    read,
    review,
    serve,
    stream,
    synth,
    train,
    watch,
)
from ecgfoundry.errors import EcgFoundryError

app = App(
    name="ecgfoundry",
    version=__version__,
    help="An ECG in, named and calibrated findings out. Not a medical device.",
)
app.command(diagnose.diagnose)
app.command(calibrate.calibrate)
app.command(evaluate.evaluate)
app.command(compare.compare)
app.command(review.review)
app.command(explain.explain)
app.command(formats.formats)
app.command(holter.holter)
app.command(read.read)
app.command(measure.measure)
app.command(convert.convert)
app.command(train.train_defaults)
app.command(infer.infer)
app.command(models.app)
app.command(serve.serve)
app.command(database.app)
app.command(mcp.mcp)
app.command(stream.app)
app.command(watch.watch)
app.command(deliveries.app)
app.command(finetune.finetune)
app.command(pretrain.pretrain)
app.command(embed.embed)
app.command(manifest.app)
app.command(datasets.app)
app.command(corpus.app)
app.command(labs.app)
app.command(synth.app)


def main(tokens: Annotated[list[str] | None, Parameter(parse=False)] = None) -> None:
    """Run the command line: one-line errors, exit code 1 for bad input and 2 for bad usage."""
    try:
        code = app(tokens, exit_on_error=True, result_action="return_value")
    except EcgFoundryError as error:
        print(f"ecgfoundry: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)
