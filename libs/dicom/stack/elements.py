"""Which elements of a header a stack is made of: nothing else has to be fetched for it."""

from __future__ import annotations

from pydicom.datadict import keyword_dict

from libs.dicom.parse.dicomjson import key

_NEEDED = """
    AcquisitionDate AcquisitionDateTime AcquisitionTime CineRate ContentDate ContentTime
    FrameOfReferenceUID FrameTime FrameTimeVector ImageLaterality ImageOrientationPatient
    ImagePositionPatient ImagerPixelSpacing InstanceNumber Laterality Modality NominalScannedPixelSpacing
    PatientOrientation PixelAspectRatio PixelSpacing PixelSpacingCalibrationType PresentationLUTShape
    RecommendedDisplayFrameRate SequenceOfUltrasoundRegions SliceThickness Units ViewPosition
    BitsAllocated BitsStored Columns HighBit NumberOfFrames PhotometricInterpretation PixelRepresentation
    PlanarConfiguration Rows SamplesPerPixel
    PixelPaddingValue PixelPaddingRangeLimit FloatPixelPaddingValue FloatPixelPaddingRangeLimit
    DoubleFloatPixelPaddingValue DoubleFloatPixelPaddingRangeLimit
    ModalityLUTSequence RescaleIntercept RescaleSlope RescaleType
    VOILUTFunction VOILUTSequence WindowCenter WindowCenterWidthExplanation WindowWidth
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
    PixelData FloatPixelData DoubleFloatPixelData
"""
_MACROS = """
    FrameContentSequence FrameVOILUTSequence PixelMeasuresSequence PixelValueTransformationSequence
    PlaneOrientationSequence PlanePositionSequence
"""
ELEMENTS = tuple(sorted(key(keyword_dict[keyword]) for keyword in _NEEDED.split()))
"""Tags of a data set, as the DICOM JSON Model names them."""
MACROS = tuple(sorted(key(keyword_dict[keyword]) for keyword in _MACROS.split()))
"""Tags of the functional groups of each frame (PS3.3 C.7.6.16)."""
PER_FRAME = key(keyword_dict["PerFrameFunctionalGroupsSequence"])
