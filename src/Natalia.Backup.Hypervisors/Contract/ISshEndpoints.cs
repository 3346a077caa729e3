using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: tells where the SSH server of a test VM is reached, over its isolated network or a port that is
/// forwarded to it. With it a hypervisor has <c>SshGuestChannel</c> as its guest channel. Any thread.
/// </summary>
public interface ISshEndpoints
{
    /// <summary>Looks where the SSH server of a running VM is reached.</summary>
    /// <param name="nativeId">The hypervisor's id of the VM.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The place, whether or not anybody answers there yet; null while the hypervisor does not know it, as
    /// before a guest has told its address.</returns>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>; <c>CapabilityMissing</c>: there will never be such
    /// a place for this VM.</exception>
    Task<SshEndpoint?> FindSshAsync(string nativeId, CancellationToken cancellationToken);
}
