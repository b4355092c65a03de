-- Who manages two collections may move files between them; the operation itself asks for this permission.
INSERT INTO auth.auth_group_permissions (group_id, permission_id)
    SELECT one.id, permission.id
    FROM auth.auth_group AS one
    JOIN auth.auth_permission AS permission ON permission.codename = 'move_dicomfile'
    WHERE one.name IN ('uploader', 'radiologist')
    ON CONFLICT DO NOTHING;
