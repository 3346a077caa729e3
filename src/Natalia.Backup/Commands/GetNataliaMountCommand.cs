using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Commands;

/// <summary>Lists the disks of restore points that this session serves.</summary>
/// <remarks>
/// <para>Shows what Mount-NataliaRestorePoint serves in this PowerShell session, how many clients are connected, and
/// how much they have read and written. Other sessions have their own.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaMount</code>
/// <para>Lists everything that is served.</para>
/// </example>
/// <example>
/// <code>Get-NataliaMount | Where-Object Connections -eq 0 | Dismount-NataliaRestorePoint</code>
/// <para>Ends what nobody uses.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaMount")]
[OutputType(typeof(PointMount))]
public sealed class GetNataliaMountCommand : NataliaCommand
{
    /// <summary>
    /// The mount's id, or at least four digits of its beginning. Bound from mounts that are piped in. Left out, all are
    /// listed.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MountCompleter))]
    public string[]? MountId { get; set; }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (MountId is not { Length: > 0 })
        {
            foreach (Mount mount in Registry.Mounts.All) Emit(mount.Describe());
            return Task.CompletedTask;
        }
        foreach (string id in MountId)
        {
            try
            {
                Emit(Registry.Mounts.Get(id).Describe());
            }
            catch (NataliaException missing)
            {
                EmitError(missing, id);
            }
        }
        return Task.CompletedTask;
    }
}
