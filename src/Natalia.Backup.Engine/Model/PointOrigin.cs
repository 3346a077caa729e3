using System.Text.Json;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Model;

/// <summary>
/// Where a copied point was first made. Copies of copies name the same origin, so that a point is known again wherever
/// it goes.
/// </summary>
/// <param name="RepositoryId">The repository in which it was made.</param>
/// <param name="PointId">Its id there.</param>
internal sealed record PointOrigin(string RepositoryId, string PointId)
{
    internal void Write(Utf8JsonWriter json, string name = "copyOf")
    {
        json.WriteStartObject(name);
        json.WriteString("repository", RepositoryId);
        json.WriteString("point", PointId);
        json.WriteEndObject();
    }

    /// <exception cref="FormatException">There is one, and it is not valid.</exception>
    internal static PointOrigin? Read(JsonElement element, string name = "copyOf") =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Object
            ? new PointOrigin(value.ReadId("repository").ToString(), value.ReadId("point").ToString()) : null;
}
