namespace Natalia.Backup.Engine.Disks;

/// <summary>A source whose hypervisor knows what changed since an earlier state (CBT, RCT, a dirty bitmap).</summary>
public interface IChangeTrackingSource : IDiskSource
{
    /// <summary>
    /// Whether the hypervisor tracks this disk now, so that changes since an earlier token can be asked for. Constant.
    /// It decides between incremental and full; whether a token of <i>this</i> state exists already does not.
    /// </summary>
    bool IsTracked { get; }

    /// <summary>
    /// The token of this state, where it existed from the moment of the freeze on (VMware's changeId); null where
    /// tracking is off, and where the token is born only when the disk was read and its state is sealed (Hyper-V's
    /// reference point). Constant.
    /// </summary>
    string? TrackingToken { get; }

    /// <summary>
    /// The extents that may have changed since <paramref name="sinceToken"/>, ascending, not overlapping, inside the
    /// disk; or the reason why that cannot be said. Reporting too much is allowed, too little never. A token that this
    /// very disk did not give, or that it has forgotten, is answered with a reason, and so is one from before the disk
    /// was restored or set back to a snapshot.
    /// </summary>
    /// <param name="sinceToken">A token that was kept with an earlier point.</param>
    Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken);
}
