using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Commands;

/// <summary>Ends the serving of disks of restore points.</summary>
/// <remarks>
/// <para>Clients that are connected are cut off: let them flush and go before. An overlay that is not kept goes with
/// the mount; a kept one is made durable. The restore point is as it was, whatever was written. The end of the
/// PowerShell session and the removal of the module do the same for all mounts.</para>
/// </remarks>
/// <example>
/// <code>Dismount-NataliaRestorePoint -MountId 3fa9</code>
/// <para>Ends the mount whose id begins with 3fa9.</para>
/// </example>
/// <example>
/// <code>Get-NataliaMount | Dismount-NataliaRestorePoint</code>
/// <para>Ends all mounts of this session.</para>
/// </example>
[Cmdlet(VerbsData.Dismount, "NataliaRestorePoint", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class DismountNataliaRestorePointCommand : NataliaCommand
{
    /// <summary>
    /// The mount's id, or at least four digits of its beginning. Bound from what Mount-NataliaRestorePoint and
    /// Get-NataliaMount return.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MountCompleter))]
    public string[] MountId { get; set; } = [];

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        foreach (string id in MountId)
        {
            try
            {
                Mount mount = Registry.Mounts.Get(id);
                PointMount now = mount.Describe();
                string clients = now.Connections == 0
                    ? "" : $", cutting off {Plural.Count(now.Connections, "connection")}";
                if (!await ShouldProcessAsync($"{now.Uri}", $"Dismount{clients}").ConfigureAwait(false)) continue;
                string? loss = await Task.Run(() => Registry.Mounts.Remove(mount),
                    CancellationToken.None).ConfigureAwait(false);
                if (loss is not null) EmitLeftover(loss);
            }
            catch (NataliaException missing)
            {
                EmitError(missing, id);
            }
        }
    }
}
