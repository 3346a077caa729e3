using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.HyperV.Wmi;

/// <summary>
/// The files of a host on Windows: by their own path where this runs on the host, by its administrative share from
/// elsewhere (<c>\\host\D$\VMs</c>), which needs a local administrator of the host. Volumes of a cluster lie under
/// <c>C:\ClusterStorage</c> of every host.
/// </summary>
internal sealed class HostFiles(string host, bool isHere) : IHostFiles
{
    public string ToLocal(string hostPath)
    {
        if (hostPath.StartsWith(@"\\?\UNC\", StringComparison.OrdinalIgnoreCase))
            hostPath = @"\\" + hostPath.Substring(8);
        else if (hostPath.StartsWith(@"\\?\", StringComparison.Ordinal)) hostPath = hostPath.Substring(4);
        if (isHere || hostPath.StartsWith(@"\\", StringComparison.Ordinal)) return hostPath;
        if (hostPath.Length > 3 && hostPath[1] == ':' && hostPath[2] == '\\' && IsLetter(hostPath[0]))
            return $@"\\{host}\{char.ToUpperInvariant(hostPath[0])}${hostPath.Substring(2)}";
        throw new NataliaException(ErrorIds.PathNotSupported, NataliaErrorKind.NotSupported,
            $"The file '{hostPath}' of the Hyper-V host '{host}' cannot be reached from here: it is on no drive.",
            hostPath, "Run this on the host itself (-Transport Local).");
    }

    private static bool IsLetter(char c) => c is (>= 'A' and <= 'Z') or (>= 'a' and <= 'z');
}
