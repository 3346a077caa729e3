using System.Security;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>
/// A folder with two VMs of one small disk each and room for repositories, and a session that is connected to the VMs.
/// </summary>
public sealed class FolderFixture : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-fixture-");

    public FolderFixture()
    {
        AddAppliance("natalia-paris", "11111111-0000-0000-0000-000000000001", seed: 1);
        AddAppliance("natalia-lyon", "11111111-0000-0000-0000-000000000002", seed: 2);
        Run("$null = Connect-NataliaHypervisor -Folder $args[0] -Name vms", Appliances).ThrowIfFailed();
    }

    public ModuleSession Session { get; } = new();

    public string Root => _folder.FullName;

    public string Appliances => Path.Combine(Root, "vms");

    public static SecureString Password(string text)
    {
        var password = new SecureString();
        foreach (char c in text) password.AppendChar(c);
        password.MakeReadOnly();
        return password;
    }

    /// <summary>A slash in the name becomes what separates on this system.</summary>
    public string Full(string name) => Path.Combine(Root, name.Replace('/', Path.DirectorySeparatorChar));

    public string Disk(string appliance) => Path.Combine(Appliances, appliance, "data.raw");

    public ScriptResult Run(string script, params object?[] arguments) => Session.Run(script, arguments);

    /// <summary>Makes an unencrypted repository, which costs no key derivation, and connects it.</summary>
    public FolderFixture WithRepository(string name)
    {
        Run("$null = New-NataliaRepository -Path $args[0] -Name $args[1] -Unencrypted", Full(name), name)
            .ThrowIfFailed();
        return this;
    }

    /// <summary>Backs an appliance up and returns the new point's id.</summary>
    public string BackUp(string appliance = "natalia-paris", string more = "") =>
        (string)Run($"Invoke-NataliaBackup -Appliance $args[0] {more}", appliance).ThrowIfFailed()
            .Value("RestorePointId")!;

    public void Change(string appliance, int at)
    {
        using FileStream disk = File.OpenWrite(Disk(appliance));
        disk.Position = at;
        disk.Write(BitConverter.GetBytes(Random.Shared.NextInt64()));
    }

    /// <summary>Changes a byte in a pack of one appliance, so that its points cannot be restored.</summary>
    public void Damage(string repository, string appliance)
    {
        string id = (string)Run("(Get-NataliaRestorePoint -Appliance $args[0] -Repository $args[1])[0].ApplianceId",
            appliance, repository)
            .ThrowIfFailed().Single.BaseObject;
        string pack = Directory.EnumerateFiles(Path.Combine(Full(repository), "appliances", id, "data"), "*",
            SearchOption.AllDirectories)
            .OrderByDescending(p => new FileInfo(p).Length).First();
        File.SetAttributes(pack, FileAttributes.Normal);
        using FileStream file = File.Open(pack, FileMode.Open);
        file.Position = file.Length / 2;
        int before = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(before ^ 0xFF));
    }

    public void AddAppliance(string name, string id, int seed, string? disks = null)
    {
        DirectoryInfo folder = Directory.CreateDirectory(Path.Combine(Appliances, name));
        var bytes = new byte[300_032];
        new Random(seed).NextBytes(bytes);
        File.WriteAllBytes(Path.Combine(folder.FullName, "data.raw"), bytes);
        disks ??= """{ "id": "scsi1", "path": "data.raw", "role": "Data" }""";
        File.WriteAllText(Path.Combine(folder.FullName, "vm.json"),
            $$"""{ "id": "{{id}}", "name": "{{name}}", "processorCount": 4, "memoryBytes": 8589934592, "networks": [ { "name": "voice", "vlan": 110 } ], "disks": [ {{disks}} ] }""");
    }

    /// <summary>Every file with its length and the time of its last change, to see that nothing was written.</summary>
    public IReadOnlyList<string> Everything() =>
        [.. _folder.EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Select(f => $"{f.FullName} {(f as FileInfo)?.Length} {f.LastWriteTimeUtc:o}")
            .Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        Session.Dispose();
        _folder.Delete(recursive: true);
    }
}
