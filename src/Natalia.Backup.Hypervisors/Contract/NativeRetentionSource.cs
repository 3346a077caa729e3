namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Who says what the runs of a schedule keep.</summary>
public enum NativeRetentionSource
{
    /// <summary>
    /// Not known: what the schedule leaves to others could not be read, or is not the same for all of its VMs.
    /// </summary>
    Unknown = 0,
    /// <summary>The schedule itself.</summary>
    Schedule,
    /// <summary>The storage, for every run that says nothing of it.</summary>
    Storage,
    /// <summary>
    /// The host on which the run takes place, for what the storage leaves open; without a setting there everything is
    /// kept.
    /// </summary>
    Host,
}
