namespace Natalia.Backup.Engine.Model;

/// <summary>What an attachment is.</summary>
public enum AttachmentKind
{
    /// <summary>Something else, or of a newer version.</summary>
    Other = 0,
    /// <summary>
    /// The variables of UEFI firmware (NVRAM): boot entries and Secure Boot keys, in the hypervisor's own format.
    /// </summary>
    UefiVariables,
    /// <summary>The state of a virtual TPM, in the hypervisor's own format. It holds keys of the guest.</summary>
    TpmState,
}

/// <summary>
/// A small binary object that belongs to a VM and is no disk: what its firmware keeps. Immutable, as long as nobody
/// changes the bytes that were handed over.
/// </summary>
/// <param name="Name">
/// Unique within the VM whatever the case, and a file's name everywhere: 1 to 64 of <c>A-Z a-z 0-9 . _ -</c>, beginning
/// with a letter or digit and not ending with a dot.
/// </param>
/// <param name="Kind">What it is.</param>
/// <param name="Content">Its bytes.</param>
public sealed record ApplianceAttachment(string Name, AttachmentKind Kind, ReadOnlyMemory<byte> Content)
{
    /// <summary>The most bytes that all attachments of a VM may have together: 64 MiB.</summary>
    public const int MaximumBytes = 64 << 20;

    /// <summary>The most attachments that a VM may have.</summary>
    public const int MaximumCount = 64;

    private const int MaximumNameLength = 64;

    /// <summary>Whether a text may be an attachment's name.</summary>
    /// <param name="name">The text.</param>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaximumNameLength && IsLetterOrDigit(name[0]) && name[name.Length - 1] != '.'
        && name.All(c => IsLetterOrDigit(c) || c is '.' or '_' or '-') && !IsDeviceName(name);

    /// <summary>The name and what it is.</summary>
    public override string ToString() => $"{Name} ({Kind})";

    private static bool IsLetterOrDigit(char c) => c is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9';

    /// <summary>What Windows takes for a device, with or without an extension.</summary>
    private static bool IsDeviceName(string name)
    {
        string stem = name.Split('.')[0].ToUpperInvariant();
        return stem is "CON" or "PRN" or "AUX" or "NUL"
            || stem.Length == 4 && stem[3] is >= '0' and <= '9' && stem.Substring(0, 3) is "COM" or "LPT";
    }
}

/// <summary>An attachment of a restore point.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is.</param>
/// <param name="SizeBytes">Its size in bytes.</param>
public sealed record RestorePointAttachment(string Name, AttachmentKind Kind, long SizeBytes)
{
    /// <summary>The name and what it is.</summary>
    public override string ToString() => $"{Name} ({Kind})";
}
