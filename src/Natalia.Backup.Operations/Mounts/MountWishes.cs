using System.Net;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Serving.Iscsi;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>How a point is to be served.</summary>
internal sealed record MountWishes
{
    internal const long DefaultOverlayLimit = 16L << 30;

    internal MountProtocol Protocol { get; init; }

    internal IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>The port; 0 for any that is free.</summary>
    internal int Port { get; init; }

    internal bool IsWritable { get; init; }

    /// <summary>The overlay's file, or a folder that is there; null for the system's folder for what is
    /// temporary.</summary>
    internal string? OverlayPath { get; init; }

    internal long OverlayLimit { get; init; } = DefaultOverlayLimit;

    internal bool KeepOverlay { get; init; }

    /// <summary>The server's certificate, for TLS; null for none.</summary>
    internal X509Certificate2? Certificate { get; init; }

    /// <summary>Whose clients may connect; null for any.</summary>
    internal X509Certificate2? ClientCa { get; init; }

    /// <summary>Who may log in by CHAP; null for everybody.</summary>
    internal ChapAccount? Account { get; init; }

    /// <summary>Who may connect: addresses, and for iSCSI names. Empty for all.</summary>
    internal IReadOnlyList<string> Initiators { get; init; } = [];

    /// <summary>Serve to other machines without proof of who they are.</summary>
    internal bool IsInsecure { get; init; }
}
