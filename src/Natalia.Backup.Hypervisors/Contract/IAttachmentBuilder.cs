using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: the VMs that this hypervisor builds take attachments, which <see cref="BuildRequest.Attachments"/>
/// names. A builder without it passes them over. May be called from any thread.
/// </summary>
public interface IAttachmentBuilder
{
    /// <summary>Whether such an attachment is put back: the state of one hypervisor's firmware means nothing to
    /// another's.</summary>
    /// <param name="attachment">The attachment.</param>
    /// <param name="hypervisorKind">The kind of hypervisor that it comes from.</param>
    bool Takes(ApplianceAttachment attachment, string hypervisorKind);
}
