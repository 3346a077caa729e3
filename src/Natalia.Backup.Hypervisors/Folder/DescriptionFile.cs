using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>A disk as <c>vm.json</c> describes it; its paths are not checked yet.</summary>
internal sealed record DescribedDisk(string Id, string Path, DiskRole Role, ImageFormat? Format, string? Changes);

/// <summary>An attachment as <c>vm.json</c> describes it; its path is not checked yet.</summary>
internal sealed record DescribedAttachment(string Name, string Path, AttachmentKind Kind)
{
    /// <summary>True for a file that a running VM keeps open and writes now and then.</summary>
    internal bool IsWrittenByVM { get; init; }
}

/// <summary>
/// What a <c>vm.json</c> says. Members may be written in any case, comments and trailing commas are allowed, members
/// that are not known stay in <see cref="Text"/>. What is known must be right: a description that is half understood
/// would back up the wrong disk.
/// </summary>
internal sealed record DescriptionFile
{
    internal const string FileName = "vm.json";

    /// <summary>No VM needs more; a file of gigabytes must not be read into memory.</summary>
    private const int MaxBytes = 1024 * 1024;

    private static readonly JsonDocumentOptions s_options = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    };

    internal required string Text { get; init; }
    internal string? Id { get; init; }
    internal string? Name { get; init; }
    internal int? ProcessorCount { get; init; }
    internal long? MemoryBytes { get; init; }
    internal IReadOnlyList<ApplianceNetwork> Networks { get; init; } = [];
    /// <summary>The disks; null when the description has no such member.</summary>
    internal IReadOnlyList<DescribedDisk>? Disks { get; init; }
    /// <summary>What belongs to the VM and is no disk.</summary>
    internal IReadOnlyList<DescribedAttachment> Attachments { get; init; } = [];

    /// <summary>
    /// Whether a folder has a description, if only by name: what has its name and is no file must not go unnoticed,
    /// since a VM would lose its identity with it.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be looked into. So does
    /// <see cref="UnauthorizedAccessException"/>.</exception>
    internal static bool IsIn(string folder) => Directory.EnumerateFileSystemEntries(folder, FileName).Any();

    /// <summary>Reads the description of a folder; null when it has none.</summary>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>, <c>PathNotContained</c>.</exception>
    /// <exception cref="IOException">It cannot be read. So does <see cref="UnauthorizedAccessException"/>.</exception>
    internal static DescriptionFile? Read(string folder)
    {
        if (!IsIn(folder)) return null;
        string path = Path.Combine(folder, FileName);
        ContainedFile file = ContainedFile.Find(folder, FileName, folder)
            ?? throw Invalid(path, Directory.Exists(path) ? "it is a folder" : "it is a link that leads nowhere");
        try
        {
            return Parse(path, file.ReadText(MaxBytes).Text);
        }
        catch (InvalidDataException e)
        {
            throw Invalid(path, "it " + e.Message);
        }
    }

    /// <summary>The text as JSON, for who knows more of its members.</summary>
    internal static JsonDocument Open(string text) => JsonDocument.Parse(text, s_options);

    internal static DescriptionFile Parse(string path, string text)
    {
        try
        {
            using JsonDocument document = Open(text);
            var root = new JsonMember(path, "", document.RootElement);
            return new DescriptionFile
            {
                Text = text,
                Id = root.OptionalText("id"),
                Name = root.OptionalText("name"),
                ProcessorCount = (int?)root.OptionalNumber("processorCount", 1, 4096),
                MemoryBytes = root.OptionalNumber("memoryBytes", 1, long.MaxValue),
                Networks = [.. (root.OptionalArray("networks") ?? []).Select(ReadNetwork)],
                Disks = ReadDisks(root),
                Attachments = ReadAttachments(root),
            };
        }
        catch (JsonException e)
        {
            string place = e.LineNumber is long number
                ? string.Format(CultureInfo.InvariantCulture, "line {0}", number + 1)
                : "it";
            throw Invalid(path, $"{place} is not JSON: {FirstSentence(e.Message)}", e);
        }
    }

    internal static NataliaException Invalid(string path, string what, Exception? inner = null) => new(
        ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.InvalidArgument,
        $"The description '{path}' is not valid: {what}.", path,
        "Correct the file; the VM is not listed until then.", inner);

    private static ApplianceNetwork ReadNetwork(JsonMember network) => new(
        network.Text("name"),
        // 0 is how several tools write "untagged".
        network.OptionalNumber("vlan", 0, 4094) is long vlan and > 0 ? (int)vlan : null,
        network.OptionalText("macAddress"));

    private static List<DescribedDisk>? ReadDisks(JsonMember root)
    {
        if (root.OptionalArray("disks") is not IReadOnlyList<JsonMember> members) return null;
        var disks = new List<DescribedDisk>();
        var ids = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (JsonMember member in members)
        {
            string id = member.Text("id");
            if (!ids.Add(id)) throw member.Invalid($"its id '{id}' is another disk's as well");
            disks.Add(new DescribedDisk(id, member.Text("path"), ReadRole(member), ReadFormat(member),
                member.OptionalText("changes")));
        }
        return disks;
    }

    private static List<DescribedAttachment> ReadAttachments(JsonMember root)
    {
        var attachments = new List<DescribedAttachment>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (JsonMember member in root.OptionalArray("attachments") ?? [])
        {
            string name = member.Text("name");
            if (!ApplianceAttachment.IsName(name)) throw member.Invalid($"its name '{name}' cannot be a file's name");
            if (!names.Add(name)) throw member.Invalid($"its name '{name}' is another attachment's as well");
            if (names.Count > ApplianceAttachment.MaximumCount)
                throw member.Invalid($"there are more than {ApplianceAttachment.MaximumCount} attachments");
            attachments.Add(new DescribedAttachment(name, member.Text("path"), ReadKind(member)));
        }
        // As a VM of QEMU names the file with its UEFI variables, wherever its folder lies now.
        if (root.OptionalText("firmware")?.Equals("uefi", StringComparison.OrdinalIgnoreCase) == true
            && root.OptionalText("nvram") is string variables && attachments.TrueForAll(a => a.Path != variables)
            && variables.Split('/', '\\').Last() is string file && ApplianceAttachment.IsName(file) && names.Add(file)
            && names.Count <= ApplianceAttachment.MaximumCount)
            attachments.Add(new DescribedAttachment(file, variables, AttachmentKind.UefiVariables)
            {
                IsWrittenByVM = true,
            });
        return attachments;
    }

    private static AttachmentKind ReadKind(JsonMember attachment) => attachment.OptionalText("kind") switch
    {
        null => AttachmentKind.Other,
        string kind when Enum.TryParse(kind, ignoreCase: true, out AttachmentKind known) && !char.IsDigit(kind[0])
            && kind[0] is not ('-' or '+') && Enum.IsDefined(typeof(AttachmentKind), known) => known,
        string kind => throw attachment.Invalid($"its kind '{kind}' is none of UefiVariables, TpmState, Other"),
    };

    private static DiskRole ReadRole(JsonMember disk) => disk.OptionalText("role") switch
    {
        null => DiskRole.Unknown,
        string role when role.Equals("Data", StringComparison.OrdinalIgnoreCase) => DiskRole.Data,
        string role when role.Equals("System", StringComparison.OrdinalIgnoreCase) => DiskRole.System,
        string role when role.Equals("Unknown", StringComparison.OrdinalIgnoreCase) => DiskRole.Unknown,
        string role => throw disk.Invalid($"its role '{role}' is neither Data nor System"),
    };

    private static ImageFormat? ReadFormat(JsonMember disk) => disk.OptionalText("format") switch
    {
        null => null,
        string format =>
            ImageFormats.Parse(format)
            ?? throw disk.Invalid(
                $"its format '{format}' is none of raw, vhdx, vhd, vmdk, qcow2, qcow, qed, vdi, parallels"),
    };

    /// <summary>The parser's message without the position that it adds in its own words.</summary>
    private static string FirstSentence(string message)
    {
        int end = message.IndexOf(". ", StringComparison.Ordinal);
        return (end > 0 ? message.Substring(0, end) : message).TrimEnd('.');
    }
}
