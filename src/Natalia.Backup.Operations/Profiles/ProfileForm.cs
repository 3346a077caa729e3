using System.Text.Json;
using System.Text.Json.Serialization;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>A profile file as a whole. What its lists hold depends on each one's kind.</summary>
internal sealed record ProfileForm
{
    public required string Format { get; init; }

    public required int Version { get; init; }

    public IReadOnlyList<JsonElement> Hypervisors { get; init => field = value ?? []; } = [];

    public IReadOnlyList<JsonElement> Repositories { get; init => field = value ?? []; } = [];
}

/// <summary>How a profile is read, made by the compiler.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowTrailingCommas = true,
    ReadCommentHandling = JsonCommentHandling.Skip)]
[JsonSerializable(typeof(ProfileForm))]
internal sealed partial class ProfileJson : JsonSerializerContext;
