namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>The CIM type of an argument; DSP0004, 5.2. Whether it is an array is said beside.</summary>
internal enum CimKind
{
    Boolean,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    String,
    DateTime,
    Reference,
}
