namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>When a tracking token comes into being, and what keeps it.</summary>
public enum TokenLife
{
    /// <summary>
    /// As Hyper-V's: the snapshot is turned into a reference point when its state is durable elsewhere, and the token
    /// counts as long as that point stands.
    /// </summary>
    BornAtSeal,

    /// <summary>As VMware's: the snapshot has a changeId from its beginning, and nothing has to stand for it.</summary>
    BornAtFreeze,
}
