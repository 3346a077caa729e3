using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: backups that the hypervisor starts by itself. Any thread.</summary>
public interface INativeSchedules
{
    /// <summary>
    /// Makes the schedule of an appliance, or changes it to what is wanted; the same call twice changes nothing.
    /// Afterwards reads back which disks it takes.
    /// </summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="request">What is wanted.</param>
    /// <exception cref="NataliaException"><c>ScheduleOmitsDisk</c>, <c>StorageNotFound</c>,
    /// <c>PermissionDenied</c>.</exception>
    Task<NativeSchedule> SetScheduleAsync(ApplianceDescription appliance, NativeScheduleRequest request,
        CancellationToken cancellationToken);

    /// <summary>
    /// The schedules that take a VM, or all of them; those of others too, told apart by
    /// <see cref="NativeSchedule.IsOwn"/>.
    /// </summary>
    /// <param name="appliance">The VM; null for all.</param>
    Task<IReadOnlyList<NativeSchedule>> GetSchedulesAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken);

    /// <summary>
    /// Removes a schedule that this product made. One of somebody else is refused. Restore points stay.
    /// </summary>
    /// <param name="scheduleId">Its id.</param>
    /// <returns>What it was.</returns>
    /// <exception cref="NataliaException"><c>ScheduleNotFound</c>, <c>ScheduleNotOwn</c>.</exception>
    Task<NativeSchedule> RemoveScheduleAsync(string scheduleId, CancellationToken cancellationToken);
}
