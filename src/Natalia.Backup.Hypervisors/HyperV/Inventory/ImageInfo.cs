using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>What the host says of a disk image.</summary>
/// <param name="Size">The disk's size in bytes.</param>
/// <param name="VirtualDiskId">What tells the disk from others, whatever its file is called; null when unknown.</param>
/// <param name="Format">2 VHD, 3 VHDX, 4 VHD set.</param>
internal sealed record ImageInfo(long Size, string? VirtualDiskId, long Format)
{
    internal static async Task<ImageInfo> ReadAsync(HyperVHost host, string path, CancellationToken cancellationToken)
    {
        CimRow outputs = await host.CallAsync("Msvm_ImageManagementService", "GetVirtualHardDiskSettingData",
            new CimArguments { { "Path", path } }, cancellationToken).ConfigureAwait(false);
        try
        {
            CimRow data = EmbeddedInstance.Read(outputs.Text("SettingData") ?? "");
            return new ImageInfo(data.Number("MaxInternalSize") ?? throw new FormatException("It has no size."),
                data.Text("VirtualDiskId")?.Trim('{', '}').ToUpperInvariant(), data.Number("Format") ?? 0);
        }
        catch (FormatException e)
        {
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"What the Hyper-V host '{host.Name}' says of the image '{path}' cannot be read: {e.Message}", path,
                null, e);
        }
    }
}
