namespace Natalia.Backup.Operations.Retention;

/// <summary>Where the policy that holds for an appliance comes from.</summary>
public enum RetentionSource
{
    /// <summary>No policy is set: everything is kept, and retention cannot be applied.</summary>
    None = 0,
    /// <summary>The repository's default.</summary>
    Repository,
    /// <summary>The appliance's own.</summary>
    Appliance,
    /// <summary>
    /// The host's, on which the appliance runs: what its runs apply where neither the appliance nor the repository says
    /// anything.
    /// </summary>
    Host,
}
