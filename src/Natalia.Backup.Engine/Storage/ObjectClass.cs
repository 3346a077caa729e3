namespace Natalia.Backup.Engine.Storage;

/// <summary>What an object holds: decides where a store with several classes of storage puts it.</summary>
public enum ObjectClass
{
    /// <summary>Small and read often: always in the hot class.</summary>
    Metadata = 0,
    /// <summary>Packs of blocks: may lie in an archive class.</summary>
    Data,
    /// <summary>Leases and probes: never locked beyond minutes, deleted soon.</summary>
    Transient,
}
