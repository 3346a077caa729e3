using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>The bytes of one frozen disk.</summary>
internal interface IDiskBytes
{
    /// <summary>Fills the whole buffer. The range lies inside the disk.</summary>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);
}
