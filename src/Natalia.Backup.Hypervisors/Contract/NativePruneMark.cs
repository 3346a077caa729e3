namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>The verdict of a storage's own retention.</summary>
public enum NativePruneMark
{
    /// <summary>A word that this version does not know.</summary>
    Unknown = 0,
    /// <summary>Stays.</summary>
    Keep,
    /// <summary>Goes.</summary>
    Remove,
    /// <summary>Stays because somebody protected it; it is neither counted nor covers its period.</summary>
    Protected,
    /// <summary>Stays because its name is not the storage's own.</summary>
    Renamed,
}
