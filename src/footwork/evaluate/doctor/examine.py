"""All checks in order, and what they come to."""

from collections import Counter
from collections.abc import Mapping

from footwork.errors import DataError
from footwork.evaluate.doctor import looking, script, shortcuts, splits
from footwork.evaluate.doctor.findings import Diagnosis, Finding, Looked, by_cost
from footwork.evaluate.doctor.patient import Patient
from footwork.evaluate.doctor.script import Script
from footwork.models.contract import InputContract


def examine(
    patient: Patient | None, described: Script, contracts: Mapping[str, InputContract]
) -> Diagnosis:
    """Return everything that is found wrong with the photos and the described script.

    patient: None where only a script is described. contracts: of every base model, by name.
    Raises DataError for photos of fewer than two classes.
    """
    found: list[Finding | Looked] = []
    if patient is not None:
        if len(patient.classes) < 2:
            raise DataError(
                f"{patient.subject} has readable photos of {len(patient.classes)} class(es); the "
                "doctor needs two or more to say anything."
            )
        found += [
            splits.copies(patient),
            splits.conflicts(patient),
            shortcuts.shortcut(patient),
            looking.labels(patient),
            shortcuts.text(patient),
            looking.drift(patient),
        ]
        if described.test_size is None:
            found.append(splits.test_size(patient))
        if described.stratify is None:
            found.append(splits.unstratified(patient))
    found += script.split(described, patient)
    found += [
        script.contract(described, contracts, patient),
        script.squash(described, patient),
        *script.augmentation(described, patient),
    ]
    findings = [item for item in found if isinstance(item, Finding)]
    return Diagnosis(
        subject=patient.subject if patient else "a script",
        photos=len({file.image for file in patient.files}) if patient else 0,
        per_class=dict(sorted(Counter(f.label for f in patient.files).items())) if patient else {},
        eyes=patient.eyes.base.name if patient and patient.eyes else "",
        findings=by_cost(findings),
        looked=tuple(item for item in found if isinstance(item, Looked)),
        unreadable=patient.unreadable if patient else (),
    )
