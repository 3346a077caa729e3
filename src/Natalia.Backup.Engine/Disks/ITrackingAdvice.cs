namespace Natalia.Backup.Engine.Disks;

/// <summary>A tracked source that knows how its hypervisor's change tracking is begun anew.</summary>
public interface ITrackingAdvice
{
    /// <summary>What a user does to have changes counted from nothing, in full sentences.</summary>
    string ResetAdvice { get; }
}
