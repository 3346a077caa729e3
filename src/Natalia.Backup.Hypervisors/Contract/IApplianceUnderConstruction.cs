using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A VM that is being built. Disposing it without <see cref="CompleteAsync"/> removes it with all that was written,
/// bounded by a limit of its own and not by anybody's token; when that fails it throws, and says what was left.
/// </summary>
public interface IApplianceUnderConstruction : IAsyncDisposable
{
    /// <summary>The hypervisor's id of the VM.</summary>
    string NativeId { get; }

    /// <summary>
    /// A disk to write. It becomes one of the VM when it is completed itself; each is written once, several may be
    /// written at the same time.
    /// </summary>
    /// <param name="diskId">The disk's id in the description that the VM is to be like.</param>
    /// <param name="sizeBytes">Its size in bytes.</param>
    IDiskTarget GetDisk(string diskId, long sizeBytes);

    /// <summary>
    /// All disks are written: attaches them, reads the VM back, and takes the record of the building away. It is not
    /// started.
    /// </summary>
    /// <param name="cancellationToken">Stops it; the VM is unfinished then.</param>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>: it is not as it was wanted.</exception>
    Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken);
}
