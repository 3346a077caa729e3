using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>
/// Reads and writes profile files. An unknown member is refused rather than passed over: a misspelt one would otherwise mean something else than its writer thinks.
/// </summary>
internal static class ProfileFile
{
    private const string Format = "natalia-profile";
    private const int Version = 1;
    private const long MaximumBytes = 1 << 20;

    /// <summary>The file's bytes: UTF-8, indented.</summary>
    internal static byte[] Write(ProfileDocument profile)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, JsonText.Readable))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            json.WriteStartArray("hypervisors");
            foreach (HypervisorSettings hypervisor in profile.Hypervisors)
            {
                json.WriteStartObject();
                json.WriteString("name", hypervisor.Name);
                json.WriteString("kind", hypervisor.Kind);
                if (hypervisor.Server is ServerSettings server) WriteServer(json, server);
                else json.WriteString("path", hypervisor.Path);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("repositories");
            foreach (RepositorySettings repository in profile.Repositories)
            {
                json.WriteStartObject();
                json.WriteString("name", repository.Name);
                json.WriteString("kind", repository.Kind);
                if (repository.Bucket is BucketSettings bucket) WriteBucket(json, bucket);
                else json.WriteString("path", repository.Path);
                json.WriteString("access", repository.Access.ToString());
                if (repository.ShareSecret is not null) json.WriteString("credentialSecret", repository.ShareSecret);
                if (repository.Hypervisor is not null) json.WriteString("hypervisor", repository.Hypervisor);
                if (repository.EvidenceRepository is not null) json.WriteString("evidenceRepository", repository.EvidenceRepository);
                if (repository.PasswordSecret is not null) json.WriteString("passwordSecret", repository.PasswordSecret);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return memory.ToArray();
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its full path. Relative paths in it count from its folder.</param>
    /// <exception cref="NataliaException"><c>ProfileNotFound</c>, <c>ProfileInvalid</c>.</exception>
    internal static ProfileDocument Read(string path)
    {
        byte[] bytes;
        try
        {
            if (!File.Exists(path)) throw new NataliaException(ErrorIds.ProfileNotFound, NataliaErrorKind.NotFound, $"There is no profile '{path}'.", path, "Export-NataliaProfile makes one.");
            if (new FileInfo(path).Length > MaximumBytes) throw Invalid(path, "it is longer than 1 MiB");
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.ProfileNotFound, e is UnauthorizedAccessException ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.ReadFailed, $"The profile '{path}' could not be read: {e.Message}", path, innerException: e);
        }
        try
        {
            // Editors of Windows like to put a byte order mark before UTF-8.
            ReadOnlyMemory<byte> text = bytes.AsMemory(bytes is [0xEF, 0xBB, 0xBF, ..] ? 3 : 0);
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            return Read(path, new Node(path, "the profile", document.RootElement));
        }
        catch (JsonException e)
        {
            throw Invalid(path, $"it is not JSON: {e.Message}", e);
        }
    }

    private static ProfileDocument Read(string path, Node root)
    {
        root.Allow("format", "version", "hypervisors", "repositories");
        if (root.Text("format") != Format) throw Invalid(path, $"its format is not '{Format}'");
        int version = root.Number("version");
        if (version != Version) throw Invalid(path, $"its version is {version}, and this module knows version {Version}");
        string folder = Path.GetDirectoryName(path)!;
        List<HypervisorSettings> hypervisors = [.. root.List("hypervisors").Select(n => ReadHypervisor(folder, n))];
        List<RepositorySettings> repositories = [.. root.List("repositories").Select(n => ReadRepository(folder, n))];
        EnsureDistinct(path, hypervisors.Select(h => h.Name));
        EnsureDistinct(path, repositories.Select(r => r.Name));
        return new ProfileDocument(hypervisors, repositories);
    }

    private static void WriteServer(Utf8JsonWriter json, ServerSettings server)
    {
        json.WriteStartArray("hosts");
        foreach (string host in server.Hosts) json.WriteStringValue(host);
        json.WriteEndArray();
        json.WriteNumber("port", server.Port);
        json.WriteStartArray("thumbprints");
        foreach (string thumbprint in server.Thumbprints) json.WriteStringValue(thumbprint);
        json.WriteEndArray();
        if (server.AuthorityFile is not null) json.WriteString("caCertificate", server.AuthorityFile);
        if (server.CredentialSecret is not null) json.WriteString("credentialSecret", server.CredentialSecret);
    }

    private static ServerSettings ReadServer(string folder, Node node)
    {
        IReadOnlyList<string> hosts = node.Texts("hosts");
        if (hosts.Count == 0) throw node.Invalid("hosts is empty");
        return new ServerSettings
        {
            Hosts = hosts,
            Port = node.Number("port"),
            Thumbprints = node.Texts("thumbprints"),
            AuthorityFile = node.TextOrNull("caCertificate") is string file ? Path.GetFullPath(Path.Combine(folder, file)) : null,
            CredentialSecret = node.Text("credentialSecret"),
        };
    }

    private static HypervisorSettings ReadHypervisor(string folder, Node node)
    {
        if (node.OneOf("kind", "Folder", ProxmoxHypervisor.KindName) == ProxmoxHypervisor.KindName)
        {
            node.Allow("name", "kind", "hosts", "port", "thumbprints", "caCertificate", "credentialSecret");
            return new HypervisorSettings { Name = node.Name(), Kind = ProxmoxHypervisor.KindName, Server = ReadServer(folder, node) };
        }
        node.Allow("name", "kind", "path");
        return new HypervisorSettings { Name = node.Name(), Kind = node.OneOf("kind", "Folder"), Path = Path.GetFullPath(Path.Combine(folder, node.Text("path"))) };
    }

    private static void WriteBucket(Utf8JsonWriter json, BucketSettings bucket)
    {
        json.WriteString("bucket", bucket.Bucket);
        if (bucket.Endpoint is not null) json.WriteString("endpoint", bucket.Endpoint.OriginalString);
        if (bucket.Region is not null) json.WriteString("region", bucket.Region);
        if (bucket.AddressingStyle != S3AddressingStyle.Auto) json.WriteString("addressingStyle", bucket.AddressingStyle.ToString());
        if (bucket.Prefix is not null) json.WriteString("prefix", bucket.Prefix);
        if (bucket.StorageClass is not null) json.WriteString("storageClass", bucket.StorageClass);
        if (bucket.ServerCertificateThumbprint is not null) json.WriteString("serverCertificateThumbprint", bucket.ServerCertificateThumbprint);
        if (bucket.CredentialSecret is not null) json.WriteString("credentialSecret", bucket.CredentialSecret);
    }

    private static BucketSettings ReadBucket(Node node)
    {
        Uri? endpoint = null;
        if (node.TextOrNull("endpoint") is string text && !Uri.TryCreate(text, UriKind.Absolute, out endpoint)) throw node.Invalid("endpoint is not an address");
        return new BucketSettings
        {
            Bucket = node.Text("bucket"),
            Endpoint = endpoint,
            Region = node.TextOrNull("region"),
            AddressingStyle = node.TextOrNull("addressingStyle") is null ? S3AddressingStyle.Auto
                : (S3AddressingStyle)Enum.Parse(typeof(S3AddressingStyle), node.OneOf("addressingStyle", Enum.GetNames(typeof(S3AddressingStyle)))),
            Prefix = node.TextOrNull("prefix"),
            StorageClass = node.TextOrNull("storageClass"),
            ServerCertificateThumbprint = node.TextOrNull("serverCertificateThumbprint"),
            CredentialSecret = node.TextOrNull("credentialSecret"),
        };
    }

    private static RepositorySettings ReadRepository(string folder, Node node)
    {
        node.Allow("name", "kind", "path", "access", "passwordSecret", "hypervisor", "evidenceRepository", "bucket", "endpoint", "region", "addressingStyle", "prefix", "storageClass", "serverCertificateThumbprint", "credentialSecret");
        var access = (RepositoryAccess)Enum.Parse(typeof(RepositoryAccess), node.OneOf("access", Enum.GetNames(typeof(RepositoryAccess))));
        if (node.OneOf("kind", "Folder", "S3", ProxmoxHypervisor.KindName) == ProxmoxHypervisor.KindName)
        {
            if (access != RepositoryAccess.Hypervisor) throw node.Invalid($"access is {access}, and the storage of a hypervisor is reached through it");
            return new RepositorySettings { Name = node.Name(), Kind = ProxmoxHypervisor.KindName, Path = node.Text("path"), Access = access, Hypervisor = node.Text("hypervisor"), EvidenceRepository = node.TextOrNull("evidenceRepository") };
        }
        if (node.TextOrNull("evidenceRepository") is not null) throw node.Invalid("evidenceRepository is given, but a repository of this product keeps its own evidence");
        if (access == RepositoryAccess.Hypervisor || node.TextOrNull("hypervisor") is not null) throw node.Invalid("a folder is not reached through a hypervisor");
        string? secret = node.TextOrNull("passwordSecret");
        if (access == RepositoryAccess.Password && secret is null) throw node.Invalid("passwordSecret is missing");
        if (access != RepositoryAccess.Password && secret is not null) throw node.Invalid($"passwordSecret is given, but its access is {access}");
        if (node.OneOf("kind", "Folder", "S3") == "S3")
        {
            BucketSettings bucket = ReadBucket(node);
            return new RepositorySettings { Name = node.Name(), Kind = "S3", Path = bucket.ToString(), Bucket = bucket, Access = access, PasswordSecret = secret };
        }
        return new RepositorySettings
        {
            Name = node.Name(),
            Kind = node.OneOf("kind", "Folder"),
            Path = Path.GetFullPath(Path.Combine(folder, node.Text("path"))),
            Access = access,
            PasswordSecret = secret,
            ShareSecret = node.TextOrNull("credentialSecret"),
        };
    }

    private static void EnsureDistinct(string path, IEnumerable<string> names)
    {
        HashSet<string> seen = new(StringComparer.OrdinalIgnoreCase);
        foreach (string name in names)
        {
            if (!seen.Add(name)) throw Invalid(path, $"the name '{name}' stands in it twice");
        }
    }

    private static NataliaException Invalid(string path, string why, Exception? inner = null) =>
        new(ErrorIds.ProfileInvalid, NataliaErrorKind.InvalidData, $"The profile '{path}' cannot be used: {why}.", path, "Get-Help Export-NataliaProfile describes the file.", inner);

    /// <summary>One JSON object of the file, with words for what is wrong with it.</summary>
    private sealed class Node(string file, string what, JsonElement element)
    {
        internal NataliaException Invalid(string why) => ProfileFile.Invalid(file, $"in {what}, {why}");

        internal void Allow(params string[] members)
        {
            if (element.ValueKind != JsonValueKind.Object) throw ProfileFile.Invalid(file, $"{what} is not an object");
            foreach (JsonProperty member in element.EnumerateObject())
            {
                if (!members.Contains(member.Name, StringComparer.Ordinal)) throw Invalid($"'{member.Name}' is not known");
            }
        }

        internal string? TextOrNull(string member)
        {
            if (!element.TryGetProperty(member, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
            if (value.ValueKind != JsonValueKind.String || value.GetString() is not { Length: > 0 } text) throw Invalid($"{member} is not a text");
            return text;
        }

        internal string Text(string member) => TextOrNull(member) ?? throw Invalid($"{member} is missing");

        internal string Name() => Text("name") is string name && SessionName.IsValid(name) ? name : throw Invalid("name cannot be a session's name");

        internal string OneOf(string member, params string[] values)
        {
            string text = Text(member);
            return Array.Find(values, v => string.Equals(v, text, StringComparison.OrdinalIgnoreCase)) ?? throw Invalid($"{member} is '{text}', which is none of {string.Join(", ", values)}");
        }

        internal int Number(string member) => element.TryGetProperty(member, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Invalid($"{member} is not a number");

        internal IReadOnlyList<string> Texts(string member)
        {
            if (!element.TryGetProperty(member, out JsonElement list)) return [];
            if (list.ValueKind != JsonValueKind.Array) throw Invalid($"{member} is not a list");
            return [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String && item.GetString() is { Length: > 0 } text ? text : throw Invalid($"{member} holds something that is not a text"))];
        }

        internal IEnumerable<Node> List(string member)
        {
            if (!element.TryGetProperty(member, out JsonElement list)) return [];
            if (list.ValueKind != JsonValueKind.Array) throw Invalid($"{member} is not a list");
            return list.EnumerateArray().Select((item, i) => new Node(file, FormattableString.Invariant($"{member}[{i}]"), item));
        }
    }
}
