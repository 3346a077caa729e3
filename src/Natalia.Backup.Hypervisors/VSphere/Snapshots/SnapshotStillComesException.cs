using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Snapshots;

/// <summary>
/// A snapshot failed or was stopped, and the server still makes it: it may come when nobody waits for it any more, and
/// no other one can be made meanwhile.
/// </summary>
/// <param name="told">What there is to tell of it.</param>
internal sealed class SnapshotStillComesException(NataliaException told)
    : NataliaException(told.ErrorId, told.Kind, told.Message, told.Target, told.RecommendedAction, told.InnerException);
